"""Rules joined by `and`, `or`, `not` and brackets, with three values: yes, no and unknown. Pure.

checkout-slow and not (database-patching or orders-dropped)
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

Truth = bool | None
_TOKEN = re.compile(r"\s*(?:([()])|([\w.:-]+))")
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
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.names: dict[str, None] = {}
        self.depth = 0

    def parse(self) -> Expression:
        value = self.parse_or()
        if self.tokens:
            raise ValueError(f"{self.tokens[0]!r} is not expected there; join rules with and, or, not")
        return Expression(tuple(self.names), value)

    def parse_or(self) -> Callable[[Mapping[str, Truth]], Truth]:
        parts = [self.parse_and()]
        while self.accept("or"):
            parts.append(self.parse_and())
        return parts[0] if len(parts) == 1 else lambda of: _any(part(of) for part in parts)

    def parse_and(self) -> Callable[[Mapping[str, Truth]], Truth]:
        parts = [self.parse_not()]
        while self.accept("and"):
            parts.append(self.parse_not())
        return parts[0] if len(parts) == 1 else lambda of: _not(_any(_not(part(of)) for part in parts))

    def parse_not(self) -> Callable[[Mapping[str, Truth]], Truth]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"parentheses are nested more than {DEEPEST} deep")
        try:
            if self.accept("not"):
                inner = self.parse_not()
                return lambda of: _not(inner(of))
            if self.accept("("):
                inner = self.parse_or()
                if not self.accept(")"):
                    raise ValueError("unclosed parenthesis")
                return inner
            return self.name()
        finally:
            self.depth -= 1

    def name(self) -> Callable[[Mapping[str, Truth]], Truth]:
        if not self.tokens or self.tokens[0] in ("and", "or", ")"):
            raise ValueError("missing rule name" + (f" before {self.tokens[0]!r}" if self.tokens else " at the end"))
        name = self.tokens.pop(0)
        self.names[name] = None
        return lambda of: of.get(name)

    def accept(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"{text[position:].strip()[:20]!r} is not valid; join rule names with and, or, not")
        tokens.append(found[1] or found[2])
        position = found.end()
    return tokens


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def _any(values: "object") -> Truth:
    known: list[Truth] = list(values)  # type: ignore[call-overload]
    return True if True in known else None if None in known else False
