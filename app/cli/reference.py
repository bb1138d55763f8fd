"""`tocsin reference`: docs/reference.md, made from the code: what every section, probe, kind and variable says of itself."""

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from app import plugins
from app.catalog.model import Planned
from app.checks import probes
from app.cli.tables import block, fields, table
from app.cli.terminal import warn_of_broken_probes
from app.configfile.example import channel_example, probe_example, rule_example, section_example
from app.configfile.kinds import CHANNELS, channel_kinds, channel_spec, rule_kinds, rule_spec
from app.configfile.sections import CHANNEL_KINDS_PLANNED, SECTIONS, SECTIONS_PLANNED, Section, Shape
from app.rules.model import Rule
from app.settings import Settings
from app.signals.service import PLANNED as PLANNED_SOURCES
from app.signals.service import SOURCES

commands = typer.Typer()
BEGIN, END = "<!-- generated: environment -->", "<!-- end -->"
HEAD = """# Reference

Generated from the code by `tocsin reference --write docs`; do not edit this page.
[alerting_configuration.md](alerting_configuration.md) explains how these fields work together. All
examples on this page together form one valid configuration.

- [Configuration](#configuration): the maps and lists of the files
- [Probes](#probes), [kinds of rules](#kinds-of-rules), [kinds of channels](#kinds-of-channels),
  [kinds of integrations](#kinds-of-integrations)
- [Environment](#environment)
"""
NOT_ACTIVE = "**Not active yet**: accepted with a warning, but has no effect.\n"
FORMS = {Shape.MAP: "map", Shape.LIST: "list", Shape.ONE: "object"}
SHAPES = {
    Shape.MAP: "A map of named entries, in any number of files.",
    Shape.LIST: "An ordered list, in one file.",
    Shape.ONE: "A single object; its fields may be spread over several files.",
}
BY_KIND = {"checks": "probes", "rules": "kinds-of-rules", "channels": "kinds-of-channels"}  # whose examples are per kind
RUNBOOKS = """### runbooks

`runbooks/NAME.md` next to the files: what to do about an alert. The title is the first heading. Services, checks, rules and
heartbeats refer to a runbook by name in `runbook` ([template](on_call_procedures.md#runbooks)).
"""


@commands.command(hidden=True)
def reference(
    write: Annotated[
        Path | None, typer.Option(metavar="DOCS", help="Write reference.md and the generated part of operations.md.")
    ] = None,
) -> None:
    """Print docs/reference.md."""
    warn_of_broken_probes()
    if write is None:
        typer.echo(text(), nl=False)
        return
    (write / "reference.md").write_text(text(), encoding="utf-8")
    operations = write / "operations.md"
    operations.write_text(filled(operations.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """A page with the table of the environment between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{environment()}{END}{rest.partition(END)[2]}" if rest else page


def text() -> str:
    """The whole page."""
    parts = [HEAD, *_sections(), *_probes(), *_rules(), *_channels(), *_sources()]
    return "\n".join([*parts, "## Environment\n", environment()])


def environment() -> str:
    """The table of `TOCSIN_*` variables."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = os.path.relpath(default) if isinstance(default, Path) else default
        rows.append((f"`TOCSIN_{name.upper()}`", "" if shown is None else f"`{shown}`", field.description or ""))
    return table(("variable", "default", "what it is"), rows)


def _sections() -> Iterator[str]:
    yield "## Configuration\n"
    yield "In the tables, `list[].key` is a key of each list entry, `map.NAME.key` a key of each named map entry.\n"
    rows = [
        (f"[{key}](#{key})", FORMS[section.shape], _first_line(section.type) + _if_planned(key))
        for key, section in SECTIONS.items()
    ]
    yield table(("section", "form", "what it is"), rows)
    for section in SECTIONS.values():
        yield from _section(section)
    yield RUNBOOKS


def _section(section: Section) -> Iterator[str]:
    yield f"### {section.key}\n"
    yield f"{inspect.getdoc(section.type)} {SHAPES[section.shape]}\n"
    if section.key in SECTIONS_PLANNED:
        yield NOT_ACTIVE
    if section.type is Planned:
        return
    yield fields(section.type)
    if section.key in ("rules", "channels"):
        yield f"Fields and examples of each kind: [{BY_KIND[section.key].replace('-', ' ')}](#{BY_KIND[section.key]}).\n"
    else:
        yield block(section_example(section))


def _if_planned(key: str) -> str:
    return " (not active yet)" if key in SECTIONS_PLANNED else ""


def _probes() -> Iterator[str]:
    yield "## Probes\n"
    yield "`probe:` of a check, with its settings under `with:`. A probe of your own is [one file](howto/add-a-probe.md).\n"
    found = probes.usable()
    yield _index(found, {name: plugins.probe_module(name) for name in found})
    for name, probe in found.items():
        yield from _plugin(name, plugins.probe_module(name), fields(probe.spec), probe_example(probe))


def _rules() -> Iterator[str]:
    yield "## Kinds of rules\n"
    yield "These fields are in addition to those of [every rule](#rules):\n"
    modules = {name: plugins.module(plugins.RULE_KINDS, name) for name in rule_kinds()}
    yield _index(modules, modules)
    rule = Rule.model_json_schema(by_alias=True)["properties"]
    for name, module in modules.items():
        own = rule_spec(name).model_json_schema(by_alias=True)["properties"]
        shared = [
            field for field, spec in own.items() if field == "kind" or _differs_only_in_its_example(spec, rule.get(field))
        ]
        yield from _plugin(name, module, fields(rule_spec(name), without=shared), rule_example(name))


def _differs_only_in_its_example(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    return other is not None and {**one, "examples": None} == {**other, "examples": None}


def _channels() -> Iterator[str]:
    yield "## Kinds of channels\n"
    yield "`inbox` is built in; do not declare it.\n"
    modules = {name: plugins.module(CHANNELS, name) for name in channel_kinds()}
    yield _index(modules, modules)
    yield _waiting(CHANNEL_KINDS_PLANNED)
    for name, module in modules.items():
        yield from _plugin(name, module, fields(channel_spec(name)), channel_example(name))


def _sources() -> Iterator[str]:
    yield "## Kinds of integrations\n"
    yield "Create an integration with `tocsin integrations add NAME --kind KIND`.\n"
    modules = dict(plugins.each(SOURCES))
    yield _index(modules, modules)
    yield _waiting(PLANNED_SOURCES)
    for name, module in modules.items():
        event = getattr(module, "Event", None)
        yield from _plugin(name, module, fields(event) if event else "")


def _index(names: Iterable[str], modules: Mapping[str, ModuleType]) -> str:
    rows = [(f"[{name}](#{name.replace('.', '')})", _first_line(modules[name])) for name in names]
    return table(("name", "what it is"), rows)


def _first_line(of: object) -> str:
    return (inspect.getdoc(of) or "").partition("\n\n")[0].replace("\n", " ")


def _plugin(name: str, module: ModuleType, rows: str, example: Mapping[str, Any] | None = None) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{inspect.getdoc(module) or ''}\n"
    if rows:
        yield rows
    if example is not None:
        yield block(example)


def _waiting(names: Iterable[str]) -> str:
    return f"Not active yet: {', '.join(sorted(names))}.\n"
