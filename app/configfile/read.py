"""Reads a configuration folder: its YAML files as trees with lines, its runbooks as text; every mistake on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.configfile.compose import compose
from app.configfile.listing import SUFFIXES, listed
from app.configfile.mistake import Mistake, mistake
from app.configfile.scalar import unstorable
from app.configfile.tree import Node
from app.errors import Invalid

MAX_FILE = 1_000_000  # bytes
MAX_TOTAL = 16_000_000
MAX_FILES = 2_000


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds. `files` are the texts as they are, variables not filled in; `trees` those that could be read."""

    files: Mapping[str, str]
    trees: Mapping[str, Node]
    runbooks: Mapping[str, str]  # text by file
    mistakes: tuple[Mistake, ...]
    whole: bool  # every file could be read: only then is something that is missing really missing
    unreadable: bool = False  # the system refused to give a file or a folder


def read(folder: Path, environ: Mapping[str, str]) -> Folder:
    """Everything in `folder` and below, sorted by path. Raises Invalid when there is no such folder."""
    files: dict[str, str] = {}
    listing = listed(folder)
    mistakes = listing.mistakes
    unreadable = listing.unreadable
    budget = MAX_TOTAL
    for file in listing.files:
        try:
            text, wrong = _text(folder / file, file, budget)
        except OSError as error:
            unreadable = True
            text, wrong = None, [mistake(file, 1, f"cannot be read: {error.strerror}")]
        mistakes += wrong
        if text is not None:
            files[file] = text
            budget -= len(text)
        if len(files) > MAX_FILES:
            raise Invalid(f"{folder} holds more than {MAX_FILES} files; is it the right folder?")
    return replace(_parsed(files, mistakes, environ), unreadable=unreadable)


def read_texts(files: Mapping[str, str], environ: Mapping[str, str]) -> Folder:
    """As `read`, from texts by file."""
    return _parsed(dict(files), [], environ)


def _parsed(files: dict[str, str], mistakes: list[Mistake], environ: Mapping[str, str]) -> Folder:
    trees: dict[str, Node] = {}
    whole = not mistakes
    for file, text in files.items():
        if file.endswith(SUFFIXES):
            tree, wrong = compose(file, text, environ)
            mistakes += wrong
            whole = whole and (tree is not None or not wrong)
            if tree is not None:
                trees[file] = tree
    runbooks = {file: text for file, text in files.items() if file.endswith(".md")}
    return Folder(files, trees, runbooks, tuple(mistakes), whole)


def _text(path: Path, file: str, budget: int) -> tuple[str | None, list[Mistake]]:
    """A file's text, or why there is none. Raises OSError when the system does not give it."""
    if unstorable(file):
        return None, [mistake(file, 1, "the file's name is not UTF-8; rename it")]
    if not path.is_file():
        return None, [mistake(file, 1, "is not a file that can be read")]
    if path.stat().st_size > MAX_FILE:
        return None, [mistake(file, 1, f"is larger than {MAX_FILE // 1000} kB; split it")]
    if path.stat().st_size > budget:
        return None, [mistake(file, 1, f"all files together are larger than {MAX_TOTAL // 1_000_000} MB")]
    return _decoded(path.read_bytes(), file)


def _decoded(content: bytes, file: str) -> tuple[str | None, list[Mistake]]:
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [mistake(file, line, f"byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8")]
    if "\0" in text:
        return None, [mistake(file, text.count("\n", 0, text.index("\0")) + 1, "holds a NUL character; remove it")]
    return text, []
