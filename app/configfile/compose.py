"""From YAML events to a tree of nodes, within limits: nothing here recurses or grows further than it is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

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

from app.configfile.mistake import Mistake, mistake
from app.configfile.scalar import resolve, substitute, unstorable
from app.configfile.tree import Node, Scalar

MAX_DEPTH = 20
MAX_NODES = 200_000  # of one file, aliases counted as often as they are used


class _Stop(Exception):
    """No sense can be made of the rest of the file."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def compose(file: str, text: str, environ: Mapping[str, str] | None) -> tuple[Node | None, list[Mistake]]:
    """The tree of one file's only document and every mistake in it; None when it is empty or makes no sense.

    environ: what variables are filled in from; None leaves them as they are written.
    """
    reader = _Reader(file, environ)
    try:
        return reader.document(_events(text)), reader.mistakes
    except _Stop as stop:
        reader.report(stop.line, str(stop))
    except StopIteration:
        reader.report(1, "not YAML: it ends in the middle")
    except RecursionError:
        reader.report(1, f"nested deeper than {MAX_DEPTH} levels")
    return None, reader.mistakes


def _events(text: str) -> Iterator[Event]:
    """ruamel's events; whatever it raises on foreign bytes ends the file with one line."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _Stop(mark.line + 1 if mark else 1, _in_words(error)) from None
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise _Stop(line, f"not YAML: {str(error).partition(chr(10))[0]}") from None
    except (ValueError, TypeError, AttributeError, LookupError, AssertionError, NotImplementedError) as error:
        raise _Stop(1, f"not YAML: {str(error).partition(chr(10))[0] or type(error).__name__}") from None


def _in_words(error: MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "unreadable")
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces; indent with spaces"
    if problem.startswith("mapping values are not allowed"):
        return 'not YAML: a second ":" or a wrong indentation; quote text that holds ": "'
    if problem.endswith("but got '{'"):
        return 'not YAML: a { stands where the list or map should go on; quote text that holds one, as in "${NAME}"'
    return f"not YAML: {problem}"


@dataclass(slots=True)
class _Anchor:
    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Reader:
    file: str
    environ: Mapping[str, str] | None
    mistakes: list[Mistake] = field(default_factory=list)
    anchors: dict[str, _Anchor | None] = field(default_factory=dict)  # None while it is being read
    size: int = 0
    height: int = 0  # of the node read last

    def report(self, line: int, message: str) -> None:
        self.mistakes.append(mistake(self.file, line, message))

    def document(self, events: Iterator[Event]) -> Node | None:
        root = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _Stop(_line(event), 'a second document begins here; one file holds one, so remove "---"')
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
            raise _Stop(line, f"nested deeper than {MAX_DEPTH} levels")
        assert isinstance(event, NodeEvent)
        before = self.size
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if getattr(event, "tag", None) not in (None, "!"):
            self.report(line, f'the tag "{_tag(event)}" is not allowed; quote what is text')
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
            self.report(line, f'no "&{event.anchor}" stands before "*{event.anchor}"')
            return Node(None, line)
        known = self.anchors[event.anchor]
        if known is None:
            raise _Stop(line, f'"*{event.anchor}" stands inside "&{event.anchor}" itself')
        self.grow(known.size, line)
        if depth + known.height > MAX_DEPTH:
            raise _Stop(line, f"nested deeper than {MAX_DEPTH} levels")
        self.height = known.height + 1
        return known.node

    def grow(self, by: int, line: int) -> None:
        self.size += by
        if self.size > MAX_NODES:
            raise _Stop(line, f"more than {MAX_NODES} values in one file, aliases unfolded; split it")

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
                self.report(at, f'"{key}" stands here twice; line {entries[key].line} has it first')
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
            self.report(line, "a key is a word, not a list or map")
        else:
            self.report(line, f'the key {node.text or "~"} is not text; quote it: "{node.text or "~"}"')
        return None

    def merge(self, source: Node, entries: dict[str, Node]) -> None:
        """`<<: *anchor`, which YAML 1.2 dropped and everybody kept: what is not said here comes from there."""
        maps = source.value if isinstance(source.value, list) else [source]
        for one in maps:
            if not isinstance(one.value, dict):
                self.report(source.line, '"<<" takes a map, or a list of maps')
                continue
            for key, value in one.value.items():
                entries.setdefault(key, value)

    def scalar(self, event: ScalarEvent) -> Node:
        line, plain = _line(event), event.style is None or event.style == ""
        value: Scalar = event.value
        if plain and event.tag is None:
            try:
                value = resolve(event.value)
            except ValueError as error:
                self.report(line, str(error))
                value = 0
        if isinstance(value, str) and self.environ is not None:
            value, wrong = substitute(value, self.environ)
            for message in wrong:
                self.report(line, message)
            if unstorable(value):
                self.report(line, "a character here cannot be stored: NUL, or half a surrogate pair")
        return Node(value, line, event.value if plain else None, (event.start_mark.index, event.end_mark.index))


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _tag(event: Event) -> str:
    return str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")
