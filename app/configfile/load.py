"""From a folder to a configuration, or to every error in it; and from a configuration to what is stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.catalog.model import Declaration
from app.configfile.check import check, lines
from app.configfile.codes import Code
from app.configfile.finding import Finding, finding
from app.configfile.gaps import gaps
from app.configfile.model import Config, Item, Loaded
from app.configfile.read import Folder, read, read_texts
from app.configfile.schema import parse
from app.configfile.sections import PLANNED, RUNBOOK, SECTIONS


def load(folder: Path, environ: Mapping[str, str]) -> Loaded:
    """What `folder` declares. Raises Invalid when the folder cannot be read; all else is an error with its line."""
    return _loaded(read(folder, environ))


def load_texts(files: Mapping[str, str], environ: Mapping[str, str]) -> Loaded:
    """As `load`, from texts by file."""
    return _loaded(read_texts(files, environ))


def compile(config: Config) -> list[Declaration]:
    """What is stored: one declaration a thing; what is not active yet under the kind `planned`, as `rule:NAME`."""
    active = [item for items in config.items.values() for item in items.values() if item.active]
    inactive = [item for items in config.items.values() for item in items.values() if not item.active]
    found, positions = [], dict[str, int]()
    for item in active:
        positions[item.kind] = positions.get(item.kind, -1) + 1
        found.append(Declaration(item.kind, item.name, positions[item.kind], _spec(item), _origin(item)))
    for position, item in enumerate(inactive):
        found.append(Declaration(PLANNED, f"{item.kind}:{item.name}", position, _spec(item), _origin(item)))
    return found


def _loaded(folder: Folder) -> Loaded:
    items, errors, warnings = parse(folder.trees, folder.runbooks)
    errors = [*folder.errors, *errors]
    if not folder.trees and not errors:
        errors.append(finding(".", 1, Code.NOTHING_DECLARED))
    said = {(one.file, one.line) for one in folder.errors}  # a variable that is not set names nothing
    # What an unreadable file declares would be missed by everything that names it.
    errors += [one for one in check(items, whole=folder.whole) if (one.file, one.line) not in said]
    known = {_place(one) for one in errors}  # one error a place: a field's own type may have refused a control character
    errors += [one for one in lines(items) if (one.file, one.line) not in said and _place(one) not in known]
    if folder.whole:
        warnings += gaps(items)
    counts = {section.key: len(items[section.kind]) for section in SECTIONS.values() if section.kind in items}
    counts |= {"runbooks": len(items.get(RUNBOOK, {})), "files": len(folder.files)}
    config = None if errors else Config(items)
    return Loaded(config, _sorted(errors), _sorted(warnings), folder.files, counts, folder.unreadable)


def _place(one: Finding) -> tuple[object, ...]:
    return one.file, one.line, one.reason.facts.get("subject"), one.path


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(findings)))


def _spec(item: Item) -> dict[str, Any]:
    assert item.value is not None
    return item.value.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _origin(item: Item) -> str:
    return f"{item.file}:{item.line}"
