"""From trees to things: sections put together across files, each thing parsed into its stage's own type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.configfile.kinds import form_of
from app.configfile.mistake import Mistake, hint, mistake
from app.configfile.model import Item, subject
from app.configfile.sections import RUNBOOK, SECTIONS, Runbook, Section, Shape
from app.configfile.thing import parsed
from app.configfile.tree import Node

MAX_NAME = 128
_NOT_IN_NAMES = re.compile(r"[\s/:#]")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


@dataclass(slots=True)
class _Parser:
    items: dict[str, dict[str, Item]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)  # section -> the file that has it

    def report(self, file: str, line: int, message: str) -> None:
        self.mistakes.append(mistake(file, line, message))


def parse(
    trees: Mapping[str, Node], runbooks: Mapping[str, str]
) -> tuple[dict[str, dict[str, Item]], list[Mistake], list[Mistake]]:
    """Every thing by kind and name, the mistakes inside things, and the warnings about what is not active yet."""
    parser = _Parser()
    singles: dict[str, list[tuple[str, Node]]] = {}
    for file, tree in trees.items():
        if not isinstance(tree.value, dict):
            if tree.value is not None:
                parser.report(file, tree.line, f"a file holds a map; its keys are {', '.join(SECTIONS)}")
            continue
        for key, node in tree.value.items():
            section = SECTIONS.get(key)
            if section is None:
                parser.report(file, node.line, f'unknown key "{key}"{hint(key, SECTIONS)}')
            elif section.shape is Shape.ONE:
                singles.setdefault(key, []).append((file, node))
            else:
                (_map if section.shape is Shape.MAP else _list)(parser, section, file, node)
    for key, parts in singles.items():
        _one(parser, SECTIONS[key], parts)
    for file, text in runbooks.items():
        _runbook(parser, file, text)
    return parser.items, parser.mistakes, parser.warnings


def _map(parser: _Parser, section: Section, file: str, node: Node) -> None:
    if node.value is None:
        return
    if not isinstance(node.value, dict):
        parser.report(file, node.line, f'"{section.key}" must be a map from names to {section.key}')
        return
    for name, entry in node.value.items():
        if (wrong := wrong_name(name)) is not None:
            parser.report(file, entry.line, f"{_called(section.kind, name)}: {wrong}")
        first = parser.items.get(section.kind, {}).get(name)
        if first is None:
            _add(parser, section, name, file, entry)
        else:
            parser.report(file, entry.line, f"{first.subject} is declared already, in {first.file}:{first.line}")


def _list(parser: _Parser, section: Section, file: str, node: Node) -> None:
    if section.key in parser.lists:
        parser.report(file, node.line, f'"{section.key}" stands in one file only; {parser.lists[section.key]} has it')
        return
    parser.lists[section.key] = file
    if node.value is not None and not isinstance(node.value, list):
        parser.report(file, node.line, f'"{section.key}" must be a list')
        return
    for number, entry in enumerate(node.value or (), start=1):
        _add(parser, section, f"{number:04}", file, entry)


def _one(parser: _Parser, section: Section, parts: list[tuple[str, Node]]) -> None:
    """Keys of one thing may stand in several files, each key once."""
    file, first = parts[0]
    if section.key == "flapping" and len(parts) == 1 and first.value in ("off", False):
        parser.items.setdefault(section.kind, {})["off"] = Item(section.kind, "off", file, first, section.type())
        return
    merged: dict[str, Node] = {}
    places: dict[str, str] = {}
    for place, node in parts:
        if node.value is not None and not isinstance(node.value, dict):
            parser.report(place, node.line, f'"{section.key}" must be a map')
            continue
        for key, value in (node.value or {}).items():
            if key in merged:
                parser.report(
                    place, value.line, f'{section.key}: "{key}" is declared already, in {places[key]}:{merged[key].line}'
                )
            merged.setdefault(key, value)
            places.setdefault(key, place)
    _add(parser, section, section.kind, file, Node(merged, first.line), places)


def _add(parser: _Parser, section: Section, name: str, file: str, node: Node, places: Mapping[str, str] | None = None) -> None:
    """Parse one thing; `places` says which file a key stands in where that is not `file`."""
    said = subject(section.kind, name)
    if node.value is None:
        node = Node({}, node.line)
    if not isinstance(node.value, dict):
        parser.report(file, node.line, f"{said} must be a map")
        parser.items.setdefault(section.kind, {})[name] = Item(section.kind, name, file, Node({}, node.line), None)
        return
    form = form_of(section, node, said)
    value, wrong = parsed(form, node, said)
    for path, sentence in wrong:
        place = (places or {}).get(str(path[0]), file) if path else file
        parser.report(place, node.at(*path).line, sentence)
    if form.inactive is not None:
        path, what = form.inactive
        parser.warnings.append(mistake(file, node.at(*path).line, f"{said}: {what} is not active yet"))
    item = Item(section.kind, name, file, node, value, active=form.inactive is None)
    parser.items.setdefault(section.kind, {})[name] = item


def _called(kind: str, name: str) -> str:
    return subject(kind, name if len(name) <= 40 else f"{name[:37]}...")


def _runbook(parser: _Parser, file: str, text: str) -> None:
    name = file.rpartition("/")[2].removesuffix(".md")
    if (wrong := wrong_name(name)) is not None:
        parser.report(file, 1, f"{_called(RUNBOOK, name)}: {wrong}")
    heading = _HEADING.search(text)
    value = Runbook(title=heading[1] if heading else name, markdown=text)
    parser.items.setdefault(RUNBOOK, {})[name] = Item(RUNBOOK, name, file, Node({}, 1), value)


def wrong_name(name: str) -> str | None:
    """Why nothing can be called `name`; None when it can."""
    if not name:
        return "a name is empty"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters, not {len(name)}"
    odd = _NOT_IN_NAMES.search(name) or next((char for char in name if not char.isprintable()), None)
    if odd is not None:
        char = odd if isinstance(odd, str) else odd[0]
        shown = "a space" if char == " " else f'"{char}"'
        return f'a name cannot hold {shown}; write it with "-"'
    return None
