"""What is wrong with a configuration, said as `FILE:LINE: message` with the nearest right word."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from app.secret import starred
from app.visible import printable


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing to mend; `file` is relative to the configuration folder, `line` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}: {self.message}"


def mistake(file: str, line: int, message: str) -> Mistake:
    """A mistake on one printable line, without anybody's password."""
    return Mistake(file, line, printable(starred(message)))


def hint(word: str, known: Iterable[str]) -> str:
    """` (did you mean "threshold"?)`, or nothing when nothing is near."""
    near = nearest(word, known)
    return f' (did you mean "{near}"?)' if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, None when none is."""
    by_form = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(word.casefold(), by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None
