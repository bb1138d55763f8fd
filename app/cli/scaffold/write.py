"""Writes a new probe and its test from templates, and the reference anew."""

import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from app import plugins
from app.cli.scaffold.kind import Kind
from app.errors import Conflict, Invalid
from app.plugins import FAMILIES

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST = 110  # characters of a description: with its quotes it is a line
REFERENCE_TIMEOUT = 60  # seconds


DESCRIPTIONS = {
    Kind.NETWORK: "Answers PING over TCP as expected.",
    Kind.PROGRAM: "Checks a number that a program prints.",
    Kind.FILE: "Checks a number in a file.",
}
SETTINGS = {
    Kind.NETWORK: "{host: 127.0.0.1, port: 6379}",
    Kind.PROGRAM: "{command: [/usr/bin/nproc], critical_above: 100}",
    Kind.FILE: "{path: /proc/sys/kernel/pid_max, critical_above: 5000000}",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A probe to be written, with a valid name and description."""

    family: str
    name: str
    kind: Kind
    description: str

    @property
    def probe(self) -> str:
        return f"{self.family}.{self.name}"

    @property
    def settings(self) -> str:
        """What `with:` of a check may hold, as YAML."""
        return SETTINGS[self.kind]

    def text(self, template: str) -> str:
        """A template of this kind, filled."""
        found = resources.files("app.cli.scaffold").joinpath(f"{self.kind}{template}.txt").read_text(encoding="utf-8")
        return Template(found).substitute(probe=self.probe, description=self.description)


def draft(probe: str, kind: Kind, description: str | None) -> Draft:
    """What is to be written. Raises Invalid with the nearest right word."""
    from app.configfile.finding import hint

    family, dot, name = probe.partition(".")
    if not dot:
        raise Invalid(f'write FAMILY.NAME: "{probe}" has no family; it is one of {", ".join(FAMILIES)}')
    if family not in FAMILIES:
        raise Invalid(f'unknown family "{family}"{hint(family, FAMILIES)}; use one of {", ".join(FAMILIES)}')
    if not NAME.fullmatch(name):
        near = re.sub(r"\W+|_+", "_", name.lower(), flags=re.ASCII).strip("_0123456789")[:40]
        did_you_mean = f' (did you mean "{near}"?)' if NAME.fullmatch(near) else ""
        raise Invalid(
            f'"{name}" is not a valid module name: use lowercase letters, digits and _, at most 40 characters{did_you_mean}'
        )
    if keyword.iskeyword(name):
        raise Invalid(f'"{name}" is a Python keyword; use "{name}_check"')
    return Draft(family, name, kind, _sentence(description or DESCRIPTIONS[kind]))


def _sentence(text: str) -> str:
    """One sentence that can stand between the quotes of a docstring."""
    if not text.isprintable() or '"""' in text or "\\" in text or text.endswith('"'):
        raise Invalid('a description must be one line, without \\ and """')
    if len(text) > LONGEST:
        raise Invalid(f"a description may have at most {LONGEST} characters; this one has {len(text)}")
    return text if text.endswith((".", "?")) else f"{text}."


def write(new: Draft, folder: Path) -> Iterator[tuple[bool, str]]:
    """Write what there is a place for below `folder`: whether it was written, and the file or why it was left out.

    Raises Invalid when `folder` is not the top of Tocsin's tree, Conflict when there is such a probe; then nothing is written.
    """
    module, test = _module(new, folder), _test(new, folder)
    yield True, _create(module, new.text(""), folder)
    if test is None:
        yield False, f"no test: {folder / 'tests/probes'} does not exist (installed package)"
    else:
        yield True, _create(test, new.text("_test"), folder)
    yield _reference(folder)


def _module(new: Draft, folder: Path) -> Path:
    place = folder / "tasks" / new.family
    if not (place / "__init__.py").exists():
        raise Invalid(f"{place} is not a probe folder; workers here read {_in_use()}: pass --folder {_in_use()}")
    for taken in (place / f"{new.name}.py", place / new.name):
        if taken.exists():
            raise Conflict(f"probe {new.probe} already exists in {taken}; choose another name")
    return place / f"{new.name}.py"


def _in_use() -> Path:
    """The folder above the `tasks` that this very command would import."""
    return Path(plugins.__file__).parents[1]


def _test(new: Draft, folder: Path) -> Path | None:
    """Where the test goes; None where tests are not. Probes of two families may have one name, so the second adds its own."""
    place = folder / "tests/probes"
    if not (place / "run.py").exists():
        return None
    names = (place / f"test_{new.name}.py", place / f"test_{new.name}_{new.family}.py")
    free = next((one for one in names if not one.exists()), None)
    if free is None:
        raise Conflict(f"{names[1]} already exists; choose another name, or remove it")
    return free


def _create(path: Path, text: str, folder: Path) -> str:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return str(path.relative_to(folder))


def _reference(folder: Path) -> tuple[bool, str]:
    """Make docs/reference.md anew, by the code of that tree, which may be another than ours."""
    if not (folder / "docs/reference.md").exists() or not (folder / "app/cli").is_dir():
        return False, f"no documentation: {folder / 'docs/reference.md'} does not exist; `tocsin reference` prints it"
    made = subprocess.run(
        [sys.executable, "-m", "app.cli", "reference", "--write", "docs"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=REFERENCE_TIMEOUT,
        check=False,
    )
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["the description is empty"])[-1]
        return False, f"docs/reference.md was not updated: {reason}; run `tocsin reference --write docs`"
    return True, "docs/reference.md"
