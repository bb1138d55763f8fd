"""Rules joined by `and`, `or`, `not` and brackets, with three values: yes, no and unknown. Pure.

checkout-slow and not (database-patching or orders-dropped)
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

Truth = bool | None
_WORD = re.compile(r"\s*(?:([()])|([\w.:-]+))")
DEEPEST = 50  # brackets and nots inside each other


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    names: tuple[str, ...]  # the rules it names, in order, each once
    _value: Callable[[Mapping[str, Truth]], Truth] = field(repr=False)

    def value(self, of: Mapping[str, Truth]) -> Truth:
        """Its truth, given that of each name (missing = unknown), by Kleene's logic: `no and unknown` is no."""
        return self._value(of)


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The expression. Raises ValueError that says where it is wrong."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.words = _words(text)
        self.names: dict[str, None] = {}
        self.depth = 0

    def whole(self) -> Expression:
        value = self.either()
        if self.words:
            raise ValueError(f"{self.words[0]!r} is not expected there; join rules by and, or, not")
        return Expression(tuple(self.names), value)

    def either(self) -> Callable[[Mapping[str, Truth]], Truth]:
        parts = [self.both()]
        while self.take("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda of: _any(part(of) for part in parts)

    def both(self) -> Callable[[Mapping[str, Truth]], Truth]:
        parts = [self.one()]
        while self.take("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda of: _not(_any(_not(part(of)) for part in parts))

    def one(self) -> Callable[[Mapping[str, Truth]], Truth]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"brackets are nested more than {DEEPEST} deep")
        try:
            if self.take("not"):
                inner = self.one()
                return lambda of: _not(inner(of))
            if self.take("("):
                inner = self.either()
                if not self.take(")"):
                    raise ValueError("a bracket is not closed")
                return inner
            return self.name()
        finally:
            self.depth -= 1

    def name(self) -> Callable[[Mapping[str, Truth]], Truth]:
        if not self.words or self.words[0] in ("and", "or", ")"):
            raise ValueError("the name of a rule is missing" + (f" before {self.words[0]!r}" if self.words else " at the end"))
        name = self.words.pop(0)
        self.names[name] = None
        return lambda of: of.get(name)

    def take(self, word: str) -> bool:
        if self.words and self.words[0] == word:
            self.words.pop(0)
            return True
        return False


def _words(text: str) -> list[str]:
    words, place = [], 0
    while text[place:].strip():
        found = _WORD.match(text, place)
        if found is None:
            raise ValueError(f"{text[place:].strip()[:20]!r} is not understood; join names of rules by and, or, not")
        words.append(found[1] or found[2])
        place = found.end()
    return words


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def _any(values: "object") -> Truth:
    known: list[Truth] = list(values)  # type: ignore[call-overload]
    return True if True in known else None if None in known else False
