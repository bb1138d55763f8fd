"""What is wrong with a configuration, or worth a look: a code and its facts at a place. Pure."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.configfile.codes import Code
from app.configfile.tree import Path, written
from app.configfile.wording import text
from app.reason import Reason
from app.secret import starred
from app.visible import printable


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One error or warning; `file` is relative to the configuration folder, `line` counts from 1.

    path: the place within the thing that `reason.facts["subject"]` names, `()` where it is about the whole of it.
    """

    file: str
    line: int
    reason: Reason
    path: Path = field(default=())

    @property
    def message(self) -> str:
        """In words, on one printable line, without anybody's password."""
        return text(self.reason, self.path)

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}: {self.message}"

    def __hash__(self) -> int:
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Finding) and self._key() == other._key()

    def __lt__(self, other: "Finding") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[str, int, str]:
        return self.file, self.line, self.message


def finding(file: str, line: int, code: Code, path: Path = (), /, **facts: Any) -> Finding:
    """A finding of these facts."""
    return Finding(file, line, Reason(code, facts), path)


def present(one: Finding) -> dict[str, Any]:
    """The public form: place, code, path and facts for programs, the message for people."""
    return {
        "file": one.file,
        "line": one.line,
        "code": str(one.reason.code),
        "path": written(one.path),
        "facts": {name: starred(fact) if isinstance(fact, str) else fact for name, fact in one.reason.facts.items()},
        "message": one.message,
    }


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, None when none is."""
    by_form = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(word.casefold(), by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """` (did you mean "threshold"?)`, or nothing when nothing is near."""
    near = nearest(word, known)
    return f' (did you mean "{near}"?)' if near else ""
