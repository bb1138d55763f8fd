"""`tocsin reference`: docs/reference.md, made from the code: what every probe, kind and variable says of itself."""

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from pydantic import BaseModel, TypeAdapter

from app import plugins
from app.checks import probes
from app.checks.model import Check, StatusAlert
from app.cli.terminal import warn_of_broken_probes
from app.configfile.kinds import CHANNELS, channel_kinds, channel_spec, rule_kinds, rule_spec
from app.configfile.sections import CHANNEL_KINDS_PLANNED
from app.rules.model import Rule
from app.settings import Settings
from app.signals.service import PLANNED as PLANNED_SOURCES
from app.signals.service import SOURCES
from app.units import Duration, format_duration

commands = typer.Typer()
BEGIN, END = "<!-- generated: environment -->", "<!-- end -->"
HEAD = """# Reference

Made by `tocsin reference --write docs` from the code; do not edit it. What the words mean together stands in
[alerting_configuration.md](alerting_configuration.md).
"""
Schema = Mapping[str, Any]
_ISO = TypeAdapter(timedelta)
COLUMNS = ("field", "type", "default", "what it is")


@commands.command(hidden=True)
def reference(
    write: Annotated[
        Path | None, typer.Option(metavar="DOCS", help="Write reference.md and the made part of operations.md.")
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
    parts = [HEAD, *_probes(), *_rules(), *_channels(), *_sources()]
    return "\n".join([*parts, "## Environment\n", environment()])


def environment() -> str:
    """The table of `TOCSIN_*` variables."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = os.path.relpath(default) if isinstance(default, Path) else default
        rows.append((f"`TOCSIN_{name.upper()}`", "" if shown is None else f"`{shown}`", field.description or ""))
    return _table(("variable", "default", "what it is"), rows)


def fields(type_: type[BaseModel], without: Iterable[str] = ()) -> str:
    """A table of the fields of `type_` as they are written in a file; a sentence when there are none."""
    schema = type_.model_json_schema(by_alias=True)
    rows = list(_rows(schema, schema, without))
    return _table(COLUMNS, rows) if rows else "No fields.\n"


def _rows(schema: Schema, root: Schema, without: Iterable[str] = (), above: str = "") -> Iterator[Sequence[str]]:
    """One row a field; the fields of a map with known keys follow it, as `map.key`."""
    for name, spec in schema.get("properties", {}).items():
        if name in without:
            continue
        inner = _resolved(spec, root)
        must = name in schema.get("required", ())
        default = "" if "properties" in inner else _default(spec, must)
        yield (f"`{above}{name}`", kind(spec, root), default, str(spec.get("description", "")))
        if "properties" in inner:
            yield from _rows(inner, root, above=f"{above}{name}.")


def _resolved(spec: Schema, root: Schema) -> Schema:
    reference = str(spec.get("$ref", "")).rpartition("/")[2]
    found: Schema = root["$defs"][reference] if reference else spec
    return found


def kind(spec: Schema, root: Schema) -> str:
    """What may be written there, in a word or two."""
    if "$ref" in spec:
        return kind(_resolved(spec, root), root)
    if "anyOf" in spec:
        known = [kind(one, root) for one in spec["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(known))
    if "const" in spec:
        return str(spec["const"])
    if "enum" in spec:
        return ", ".join(str(one) for one in spec["enum"])
    if spec.get("pattern") == _DURATION:
        return "duration"
    return _plain(spec, root)


def _plain(spec: Schema, root: Schema) -> str:
    type_ = str(spec.get("type", "anything"))
    if type_ == "array":
        return f"list of {kind(spec['items'], root)}" if spec.get("items") else "list"
    if type_ == "object":
        return "map"
    if spec.get("format") == "password":
        return "secret"
    low, high = spec.get("minimum"), spec.get("maximum", spec.get("exclusiveMaximum"))
    least = f"above {spec['exclusiveMinimum']}" if "exclusiveMinimum" in spec else f"from {low}" if low is not None else ""
    bounds = f", {least}{f' to {high}' if high is not None else ''}" if least else ""
    words = {"string": str(spec.get("format", "text")), "integer": "whole number", "boolean": "yes or no"}
    return words.get(type_, type_) + bounds


def _default(spec: Schema, must: bool) -> str:
    if must:
        return "*required*"
    value = spec.get("default")
    if value is None or value in ([], {}, ""):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"`{key}: {one}`" for key, one in value.items() if one is not None)
    if spec.get("pattern") == _DURATION:  # a default stands in the schema as ISO 8601
        value = format_duration(_ISO.validate_python(value))
    return f"`{', '.join(map(str, value)) if isinstance(value, list) else value}`"


def _probes() -> Iterator[str]:
    yield "## Checks\n"
    yield "What every check may say; `with:` holds the fields of its probe.\n"
    yield fields(Check, without=("with",))
    yield "`alert:` of a check, or `off`:\n"
    yield fields(StatusAlert)
    yield "## Probes\n"
    for name, probe in probes.usable().items():
        yield from _section(name, plugins.probe_module(name), fields(probe.spec))


def _rules() -> Iterator[str]:
    yield "## Rules\n"
    yield "What every rule may say, whatever its kind:\n"
    yield fields(Rule, without=("kind",))
    for name in rule_kinds():
        own = fields(rule_spec(name), without=Rule.model_json_schema(by_alias=True)["properties"])
        yield from _section(f"kind: {name}", plugins.module(plugins.RULE_KINDS, name), own)


def _channels() -> Iterator[str]:
    yield "## Channels\n"
    yield "`inbox` is built in and never declared.\n"
    for name in channel_kinds():
        yield from _section(f"kind: {name}", plugins.module(CHANNELS, name), fields(channel_spec(name)))
    yield _waiting(CHANNEL_KINDS_PLANNED)


def _sources() -> Iterator[str]:
    yield "## Integrations\n"
    yield "Made with `tocsin integrations add NAME --kind KIND`.\n"
    for name, module in plugins.each(SOURCES):
        event = getattr(module, "Event", None)
        yield from _section(f"kind: {name}", module, fields(event) if event else "")
    yield _waiting(PLANNED_SOURCES)


def _section(name: str, module: ModuleType, table: str) -> tuple[str, ...]:
    return (f"### {name}\n", f"{inspect.getdoc(module) or ''}\n", *((table,) if table else ()))


def _waiting(names: Iterable[str]) -> str:
    return f"Known by name and not active yet: {', '.join(sorted(names))}.\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in line)} |" for line in lines) + "\n"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


class _Lengths(BaseModel):
    """Only to ask what a duration looks like in a schema."""

    length: Duration


_DURATION = _Lengths.model_json_schema()["properties"]["length"]["pattern"]
