"""Alertmanager's label matchers (UTF-8 syntax): `service="db"`, `{env=~"prod|stage", team!=x}`. Pure; regexes are RE2.

The label `hours` carries every name that is open, comma-separated: `hours="office"` and `=~` hold when one of them matches (or
all of them as they stand), `!=` and `!~` when none does.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import re2

MAX_PATTERN = 1024  # characters
HOURS = "hours"  # the label with the names of all hours that are open


class Op(StrEnum):
    """How a label is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    NOT_MATCHES = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison; a missing label counts as the empty value."""

    name: str
    op: Op
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels pass."""
        value = labels.get(self.name, "")
        found = self._fits(value)
        if not found and self.name == HOURS and "," in value:
            found = any(self._fits(one) for one in value.split(","))
        return found is (self.op in (Op.EQUAL, Op.MATCHES))

    def _fits(self, value: str) -> bool:
        """Whether one value is what the matcher names, whichever way it then counts."""
        if self.op in (Op.EQUAL, Op.NOT_EQUAL):
            return value == self.value
        return _compiled(self.value).fullmatch(value) is not None

    def __str__(self) -> str:
        name = self.name if _BARE_NAME.fullmatch(self.name) else _quote(self.name)
        return f"{name}{self.op}{_quote(self.value)}"


Matchers = tuple[Matcher, ...]

_BARE_NAME = re.compile(r"[^\s{}!=~,\\\"'`]+")
# No space is tried twice (`*+`): between two parts that may both begin with spaces, that would take their number squared.
_TOKEN = re.compile(
    r"""\s*+(?P<name>"(?:[^"\\\n]|\\.)*"|[^\s{}!=~,\\"'`]+)
        \s*+(?P<op>=~|!~|!=|=)
        \s*+(?P<value>"(?:[^"\\\n]|\\.)*"|[^\s{}!=~,\\"'`]+)?
        \s*+(?P<comma>,|$)""",
    re.VERBOSE,
)
_WITHOUT_QUOTES = re.compile(r"""(?P<name>[^\s{}!=~,\\"'`]+)\s*+(?P<op>=~|!~|!=|=)\s*+(?P<value>[^\s"'`{=][^\s"']*)\s*$""")
_NEEDS_QUOTES = re.compile(r"[{}\\,`!=~]")
# Go's escapes in double quotes (its specification, "Rune literals"), which Alertmanager unquotes with.
_ESCAPE = re.compile(
    r"""\\(?:(?P<char>[abfnrtv\\"]) | x(?P<hex>[0-9a-fA-F]{2}) | u(?P<short>[0-9a-fA-F]{4}) | U(?P<long>[0-9a-fA-F]{8})
        | (?P<octal>[0-7]{3}) | (?P<odd>.))""",
    re.VERBOSE,
)
_CHARS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


@lru_cache(maxsize=4096)
def parse_matchers(text: str) -> Matchers:
    """All matchers of one string, comma-separated, braces optional. Raises ValueError that shows where it stops."""
    inside = text.strip()
    if inside.startswith("{") != inside.endswith("}"):
        raise ValueError(f"matcher {text!r}: {_unquoted(inside) or 'missing brace'}")
    if inside.startswith("{"):
        inside = inside[1:-1].strip()
    found: list[Matcher] = []
    at = 0
    while at < len(inside):
        part = _TOKEN.match(inside, at)
        if part is None or part.end() == at:
            rest = inside[at:].strip()
            place = "" if rest == inside else f" at {rest!r}"
            why = _unquoted(rest) or f'syntax error{place}; write name="value", !=, =~ or !~'
            raise ValueError(f"matcher {text!r}: {why}")
        found.append(_matcher(part, text))
        at = part.end()
    return tuple(found)


def _unquoted(text: str) -> str | None:
    """What to say where a value stands without the quotes that it needs, a regular expression most often."""
    found = _WITHOUT_QUOTES.match(text)
    if found is None or not _NEEDS_QUOTES.search(found["value"]):
        return None
    name, op, value = found["name"], Op(found["op"]), found["value"].rstrip()
    if op in (Op.MATCHES, Op.NOT_MATCHES):
        _compiled(value)  # what is wrong with it goes before how it is written
    return f'"{value}" contains characters that need quotes; write {name}{op}{_quote(value)}'


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all hold."""
    return all(one.matches(labels) for one in matchers)


def _matcher(part: re.Match[str], text: str) -> Matcher:
    matcher = Matcher(_unquote(part["name"], text), Op(part["op"]), _unquote(part["value"] or "", text))
    if not matcher.name:
        raise ValueError(f"matcher {text!r}: a label name is empty")
    if matcher.op in (Op.MATCHES, Op.NOT_MATCHES):
        _compiled(matcher.value)
    return matcher


def _quote(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unquote(word: str, text: str) -> str:
    if not word.startswith('"'):
        return word

    def meant(found: re.Match[str]) -> str:
        if found["char"]:
            return _CHARS[found["char"]]
        number = int(found["octal"], 8) if found["octal"] else int(found["hex"] or found["short"] or found["long"] or "-1", 16)
        byte = found["octal"] or found["hex"]
        if number < 0 or number > (0x7F if byte else 0x10FFFF) or 0xD800 <= number <= 0xDFFF:
            raise ValueError(f"matcher {text!r}: unknown escape {found[0]}; write \\{found[0]} for a backslash")
        return chr(number)

    return _ESCAPE.sub(meant, word[1:-1])


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> "re2._Regexp[str]":
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern is {len(pattern)} characters long; at most {MAX_PATTERN} are allowed")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        what, _, fragment = reason.partition(": ")
        at = _position(pattern, what, fragment)
        where = f" at character {at + 1}" if at >= 0 else ""
        raise ValueError(f'"{pattern}" is not a regular expression (RE2): {what}{where}') from None


def _position(pattern: str, what: str, fragment: str) -> int:
    """Where in the pattern that is which RE2 quotes, counted from 0; -1 where it cannot be known."""
    if what.startswith("no argument for repetition"):
        found = re.search(r"(?:^|(?<=[(|]))[*+?{]", pattern)
        return found.start() if found else pattern.find(fragment)
    if what in ("missing )", "unexpected )"):
        opened, closed = _brackets(pattern)
        places = opened[-1:] if what == "missing )" else closed[:1]
        return places[0] if places else -1
    return pattern.find(fragment) if fragment else -1


def _brackets(pattern: str) -> tuple[list[int], list[int]]:
    """Round brackets that are opened and not closed, and those closed and not opened."""
    opened: list[int] = []
    closed: list[int] = []
    for token in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]?|[()]", pattern, re.DOTALL):
        if token[0] == "(":
            opened.append(token.start())
        elif token[0] == ")":
            if opened:
                opened.pop()
            else:
                closed.append(token.start())
    return opened, closed


def parse_labels(text: str) -> dict[str, str]:
    """`a=b, c="d e"` -> labels. Raises ValueError."""
    found = parse_matchers(text)
    if any(one.op is not Op.EQUAL for one in found):
        raise ValueError(f'labels are name=value, comma-separated; this is "{text}"')
    return {one.name: one.value for one in found}
