"""From YAML to a tree of nodes, `${VARIABLES}` filled in; nothing here recurses or grows further than it is told.

Unquoted words mean what the core schema of YAML 1.2 says.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from app.configfile.codes import Code
from app.configfile.finding import Finding, finding
from app.configfile.tree import Node, Scalar
from app.reason import Reason

MAX_DEPTH = 20
MAX_NODES = 200_000  # of one file, aliases counted as often as they are used
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_VARIABLE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")
_LARGEST = 2**63


class _Stop(Exception):
    """No sense can be made of the rest of the file."""

    def __init__(self, line: int, code: Code, **facts: Any) -> None:
        super().__init__(code)
        self.line, self.code, self.facts = line, code, facts


class _Odd(ValueError):
    """A word that means what nothing can hold."""

    def __init__(self, code: Code, word: str) -> None:
        super().__init__(code)
        self.code, self.word = code, word if len(word) <= 24 else f"{word[:20]}... ({len(word)} characters)"


def compose(file: str, text: str, environ: Mapping[str, str] | None) -> tuple[Node | None, list[Finding]]:
    """The tree of one file's only document and every error in it; None when it is empty or makes no sense.

    environ: what variables are filled in from; None leaves them as they are written.
    """
    reader = _Reader(file, environ)
    try:
        return reader.document(_events(text)), reader.errors
    except _Stop as stop:
        reader.report(stop.line, stop.code, **stop.facts)
    except StopIteration:
        reader.report(1, Code.NOT_YAML, why="it is truncated")
    except RecursionError:
        reader.report(1, Code.TOO_DEEP, limit=MAX_DEPTH)
    return None, reader.errors


def _events(text: str) -> Iterator[Event]:
    """ruamel's events; whatever it raises on foreign bytes ends the file with one line."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        code, facts = _problem(error)
        raise _Stop(mark.line + 1 if mark else 1, code, **facts) from None
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise _Stop(line, Code.NOT_YAML, why=str(error).partition("\n")[0]) from None
    except (ValueError, TypeError, AttributeError, LookupError, AssertionError, NotImplementedError) as error:
        raise _Stop(1, Code.NOT_YAML, why=str(error).partition("\n")[0] or type(error).__name__) from None


def _problem(error: MarkedYAMLError) -> tuple[Code, dict[str, str]]:
    """What ruamel says, and what it most often means."""
    problem = str(error.problem or error.context or "unreadable")
    if "'\\t'" in problem:
        return Code.TAB, {}
    if problem.startswith("mapping values are not allowed"):
        problem = 'a second ":" or wrong indentation; quote text that contains ": "'
    elif problem.endswith("but got '{'"):
        problem = 'unexpected { inside a list or map; quote text that contains one, as in "${NAME}"'
    return Code.NOT_YAML, {"why": problem}


@dataclass(slots=True)
class _Anchor:
    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Reader:
    file: str
    environ: Mapping[str, str] | None
    errors: list[Finding] = field(default_factory=list)
    anchors: dict[str, _Anchor | None] = field(default_factory=dict)  # None while it is being read
    size: int = 0
    height: int = 0  # of the node read last

    def report(self, line: int, code: Code, **facts: Any) -> None:
        self.errors.append(finding(self.file, line, code, **facts))

    def document(self, events: Iterator[Event]) -> Node | None:
        root = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _Stop(_line(event), Code.SECOND_DOCUMENT)
                root = self.node(next(events), events, 1)
            elif isinstance(event, StreamEndEvent):
                break
        return root

    def node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        """The node that begins with `event`; reads on to its end."""
        line = _line(event)
        if isinstance(event, AliasEvent):
            return self.alias(event, line, depth)
        self.grow(1, line)
        if depth > MAX_DEPTH:
            raise _Stop(line, Code.TOO_DEEP, limit=MAX_DEPTH)
        assert isinstance(event, NodeEvent)
        before = self.size
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if getattr(event, "tag", None) not in (None, "!"):
            self.report(line, Code.TAG, tag=_tag(event))
        self.height = 0
        node = self.content(event, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(node, self.size - before + 1, self.height)
        self.height += 1
        return node

    def content(self, event: NodeEvent, events: Iterator[Event], depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self.scalar(event)
        if isinstance(event, MappingStartEvent):
            return self.mapping(_line(event), events, depth)
        return self.sequence(_line(event), events, depth)

    def alias(self, event: AliasEvent, line: int, depth: int) -> Node:
        if event.anchor not in self.anchors:
            self.report(line, Code.UNKNOWN_ANCHOR, anchor=event.anchor)
            return Node(None, line)
        known = self.anchors[event.anchor]
        if known is None:
            raise _Stop(line, Code.ANCHOR_IN_ITSELF, anchor=event.anchor)
        self.grow(known.size, line)
        if depth + known.height > MAX_DEPTH:
            raise _Stop(line, Code.TOO_DEEP, limit=MAX_DEPTH)
        self.height = known.height + 1
        return known.node

    def grow(self, by: int, line: int) -> None:
        self.size += by
        if self.size > MAX_NODES:
            raise _Stop(line, Code.TOO_MANY_VALUES, limit=MAX_NODES)

    def sequence(self, line: int, events: Iterator[Event], depth: int) -> Node:
        items, height = [], 0
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self.node(event, events, depth + 1))
            height = max(height, self.height)
        self.height = height
        return Node(items, line)

    def mapping(self, line: int, events: Iterator[Event], depth: int) -> Node:
        entries: dict[str, Node] = {}
        merged: list[Node] = []
        height = 0
        while not isinstance(event := next(events), MappingEndEvent):
            at = _line(event)
            key = self.key(event, events, depth)
            value = self.node(next(events), events, depth + 1)
            height = max(height, self.height)
            if key == "<<":
                merged.append(replace(value, line=at))
            elif key in entries:
                self.report(at, Code.KEY_TWICE, key=key, first=entries[key].line)
            elif key is not None:
                entries[key] = replace(value, line=at)
        for source in merged:
            self.merge(source, entries)
        self.height = height
        return Node(entries, line)

    def key(self, event: Event, events: Iterator[Event], depth: int) -> str | None:
        line = _line(event)
        node = self.node(event, events, depth + 1)
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, list | dict):
            self.report(line, Code.KEY_NOT_A_WORD)
        else:
            self.report(line, Code.KEY_NOT_TEXT, written=node.text or "~")
        return None

    def merge(self, source: Node, entries: dict[str, Node]) -> None:
        """`<<: *anchor`, which YAML 1.2 dropped and everybody kept: what is not said here comes from there."""
        maps = source.value if isinstance(source.value, list) else [source]
        for one in maps:
            if not isinstance(one.value, dict):
                self.report(source.line, Code.MERGE)
                continue
            for key, value in one.value.items():
                entries.setdefault(key, value)

    def scalar(self, event: ScalarEvent) -> Node:
        line, plain = _line(event), event.style is None or event.style == ""
        value: Scalar = event.value
        if plain and event.tag is None:
            try:
                value = resolve(event.value)
            except _Odd as odd:
                self.report(line, odd.code, word=odd.word)
                value = 0
        if isinstance(value, str) and self.environ is not None:
            value, wrong = substitute(value, self.environ)
            self.errors += [Finding(self.file, line, reason) for reason in wrong]
            if unstorable(value):
                self.report(line, Code.UNSTORABLE)
        return Node(value, line, event.value if plain else None, (event.start_mark.index, event.end_mark.index))


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _tag(event: Event) -> str:
    return str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")


def resolve(word: str) -> Scalar:
    """What an unquoted word means (YAML 1.2.2, section 10.3.2). Raises ValueError for numbers nothing can hold."""
    if _NULL.fullmatch(word):
        return None
    if _BOOL.fullmatch(word):
        return word.lower() == "true"
    if _INT.fullmatch(word):
        return _integer(word)
    if _FLOAT.fullmatch(word) or _NOT_FINITE.fullmatch(word):
        number = math.nan if _NOT_FINITE.fullmatch(word) else float(word)
        if not math.isfinite(number):
            raise _Odd(Code.NOT_COMPARABLE, word)
        return number
    return word


def substitute(text: str, environ: Mapping[str, str]) -> tuple[str, list[Reason]]:
    """`text` with `${VAR}` and `${VAR:-default}` filled in (`$${` is a literal `${`), and what is wrong with it.

    As in a shell, the default holds also where the variable is empty.
    """
    wrong: list[Reason] = []
    return _VARIABLE.sub(partial(_fill, environ, wrong), text), wrong


def unstorable(text: str) -> bool:
    """Whether it holds what no database text can: NUL, or half of a surrogate pair."""
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def _integer(word: str) -> int:
    base = {"0o": 8, "0x": 16}.get(word[:2], 10)
    number = int(word, base) if len(word) <= 64 else _LARGEST
    if abs(number) >= _LARGEST:
        raise _Odd(Code.NUMBER_TOO_LARGE, word)
    return number


def _fill(environ: Mapping[str, str], wrong: list[Reason], found: re.Match[str]) -> str:
    if found[0] == "$${":
        return "${"
    name, default = found["name"], found["default"]
    if name is None:
        wrong.append(Reason(Code.VARIABLE))
        return found[0]
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        wrong.append(Reason(Code.VARIABLE_UNSET, {"name": name}))
        return found[0]
    return value
