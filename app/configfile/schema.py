"""From trees to things: sections put together across files, each thing parsed into its stage's own type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.configfile.codes import Code
from app.configfile.finding import Finding, finding, nearest
from app.configfile.kinds import form_of
from app.configfile.model import Item, subject
from app.configfile.sections import RUNBOOK, SECTIONS, Runbook, Section, Shape
from app.configfile.thing import parsed
from app.configfile.tree import Node
from app.reason import Reason

MAX_NAME = 128
_NOT_IN_NAMES = re.compile(r"[\s/:#]")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


@dataclass(slots=True)
class _Parser:
    items: dict[str, dict[str, Item]] = field(default_factory=dict)
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)  # section -> the file that has it

    def report(self, file: str, line: int, code: Code, **facts: Any) -> None:
        self.errors.append(finding(file, line, code, **facts))


def parse(
    trees: Mapping[str, Node], runbooks: Mapping[str, str]
) -> tuple[dict[str, dict[str, Item]], list[Finding], list[Finding]]:
    """Every thing by kind and name, the errors inside things, and the warnings about what is not active yet."""
    parser = _Parser()
    singles: dict[str, list[tuple[str, Node]]] = {}
    for file, tree in trees.items():
        if not isinstance(tree.value, dict):
            if tree.value is not None:
                parser.report(file, tree.line, Code.FILE_NOT_A_MAP, known=list(SECTIONS))
            continue
        for key, node in tree.value.items():
            section = SECTIONS.get(key)
            if section is None:
                parser.report(file, node.line, Code.UNKNOWN_KEY, key=key, near=nearest(key, SECTIONS))
            elif section.shape is Shape.ONE:
                singles.setdefault(key, []).append((file, node))
            else:
                (_map if section.shape is Shape.MAP else _list)(parser, section, file, node)
    for key, parts in singles.items():
        _one(parser, SECTIONS[key], parts)
    for file, text in runbooks.items():
        _runbook(parser, file, text)
    return parser.items, parser.errors, parser.warnings


def _map(parser: _Parser, section: Section, file: str, node: Node) -> None:
    if node.value is None:
        return
    if not isinstance(node.value, dict):
        parser.report(file, node.line, Code.SECTION_NOT_NAMES, section=section.key)
        return
    for name, entry in node.value.items():
        if (wrong := wrong_name(section.kind, name)) is not None:
            parser.errors.append(Finding(file, entry.line, wrong))
        first = parser.items.get(section.kind, {}).get(name)
        if first is None:
            _add(parser, section, name, file, entry)
        else:
            parser.report(file, entry.line, Code.DECLARED_TWICE, subject=first.subject, first=f"{first.file}:{first.line}")


def _list(parser: _Parser, section: Section, file: str, node: Node) -> None:
    if section.key in parser.lists:
        parser.report(file, node.line, Code.LIST_TWICE, section=section.key, first=parser.lists[section.key])
        return
    parser.lists[section.key] = file
    if node.value is not None and not isinstance(node.value, list):
        parser.report(file, node.line, Code.SECTION_NOT_A_LIST, section=section.key)
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
            parser.report(place, node.line, Code.SECTION_NOT_A_MAP, section=section.key)
            continue
        for key, value in (node.value or {}).items():
            if key in merged:
                first_at = f"{places[key]}:{merged[key].line}"
                parser.report(place, value.line, Code.FIELD_TWICE, subject=section.key, field=key, first=first_at)
            merged.setdefault(key, value)
            places.setdefault(key, place)
    _add(parser, section, section.kind, file, Node(merged, first.line), places)


def _add(parser: _Parser, section: Section, name: str, file: str, node: Node, places: Mapping[str, str] | None = None) -> None:
    """Parse one thing; `places` says which file a key stands in where that is not `file`."""
    said = subject(section.kind, name)
    if node.value is None:
        node = Node({}, node.line)
    if not isinstance(node.value, dict):
        parser.report(file, node.line, Code.NOT_A_MAP, subject=said)
        parser.items.setdefault(section.kind, {})[name] = Item(section.kind, name, file, Node({}, node.line), None)
        return
    form = form_of(section, node, said)
    value, wrong = parsed(form, node, said)
    for path, reason in wrong:
        place = (places or {}).get(str(path[0]), file) if path else file
        parser.errors.append(Finding(place, node.at(*path).line, reason, path))
    if form.planned is not None:
        line = node.at("kind").line
        parser.warnings.append(finding(file, line, Code.KIND_PLANNED, ("kind",), subject=said, kind=form.planned))
    item = Item(section.kind, name, file, node, value, active=form.planned is None)
    parser.items.setdefault(section.kind, {})[name] = item


def _called(kind: str, name: str) -> str:
    return subject(kind, name if len(name) <= 40 else f"{name[:37]}...")


def _runbook(parser: _Parser, file: str, text: str) -> None:
    name = file.rpartition("/")[2].removesuffix(".md")
    if (wrong := wrong_name(RUNBOOK, name)) is not None:
        parser.errors.append(Finding(file, 1, wrong))
    heading = _HEADING.search(text)
    value = Runbook(title=heading[1] if heading else name, markdown=text)
    parser.items.setdefault(RUNBOOK, {})[name] = Item(RUNBOOK, name, file, Node({}, 1), value)


def wrong_name(kind: str, name: str) -> Reason | None:
    """Why nothing of this kind can be called `name`; None when it can."""
    said = {"subject": _called(kind, name)}
    if not name:
        return Reason(Code.NAME_EMPTY, said)
    if len(name) > MAX_NAME:
        return Reason(Code.NAME_TOO_LONG, {**said, "limit": MAX_NAME, "length": len(name)})
    odd = _NOT_IN_NAMES.search(name) or next((char for char in name if not char.isprintable()), None)
    if odd is not None:
        char = odd if isinstance(odd, str) else odd[0]
        return Reason(Code.NAME_CHARACTER, {**said, "character": "a space" if char == " " else f'"{char}"'})
    return None
