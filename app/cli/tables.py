"""Tables of fields in Markdown, and examples in YAML, made from the types of a configuration."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, TypeAdapter

from app.configfile.editor import Written
from app.configfile.sections import FIELDS_PLANNED
from app.units import WRITTEN as DURATION
from app.units import format_duration

Schema = Mapping[str, Any]
COLUMNS = ("field", "type", "default", "what it is")
BLOCKS, WIDTH = 3, 100  # levels of an example that stand on lines of their own: section, name, field; characters of a value
_PLAIN = re.compile(
    r"(?!(?:true|false|yes|no|on|off|null)$)[A-Za-z](?:[\w ./@*()-]*[\w./@*()])?|\d+[a-z%]+|\d+ (?:of|per) \w+", re.ASCII | re.I
)
_ISO = TypeAdapter(timedelta)


def fields(type_: type[BaseModel], without: Iterable[str] = ()) -> str:
    """A table of the fields of `type_` as they are written in a file, maps inside included; a sentence when there are none."""
    schema = type_.model_json_schema(by_alias=True, schema_generator=Written)
    rows = list(_rows(schema, schema, without))
    return table(COLUMNS, rows) if rows else "It has no fields.\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in line)} |" for line in lines) + "\n"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def _rows(schema: Schema, root: Schema, without: Iterable[str] = (), above: str = "") -> Iterator[Sequence[str]]:
    """One row a field; the fields of a map in it follow: `map.key`, `list[].key`, `names.NAME.key`."""
    for name, spec in schema.get("properties", {}).items():
        if name in without:
            continue
        must = name in schema.get("required", ())
        default = "" if "properties" in _resolved(spec, root) else _default(spec, must)
        words = str(spec.get("description", ""))
        if name in FIELDS_PLANNED and not above:
            words += "; not active yet"
        yield (f"`{above}{name}`", kind(spec, root), default, words)
        found = list(_maps(spec, root))
        lists = [id(inner) for suffix, inner in found if suffix == "[]"]  # a list of one may be written without the list
        for suffix, inner in found:
            if not (suffix == "" and id(inner) in lists):
                yield from _rows(inner, root, above=f"{above}{name}{suffix}.")


def _maps(spec: Schema, root: Schema) -> Iterator[tuple[str, Schema]]:
    """Every map with known keys that may stand at a place, and how it is reached from there."""
    found = _resolved(spec, root)
    if "properties" in found:
        yield "", found
    for option in found.get("anyOf", ()):
        yield from _maps(option, root)
    for key, suffix in (("items", "[]"), ("additionalProperties", ".NAME")):
        inside = found.get(key)
        if isinstance(inside, Mapping):
            yield from ((f"{suffix}{rest}", inner) for rest, inner in _maps(inside, root))


def _resolved(spec: Schema, root: Schema) -> Schema:
    reference = str(spec.get("$ref", "")).rpartition("/")[2]
    found: Schema = root["$defs"][reference] if reference else spec
    return found


def kind(spec: Schema, root: Schema) -> str:
    """What may be written there, in a word or two."""
    if "$ref" in spec:
        return kind(_resolved(spec, root), root)
    if "anyOf" in spec:
        known = dict.fromkeys(kind(one, root) for one in spec["anyOf"] if one.get("type") != "null")
        return " or ".join(known)
    if "const" in spec:
        return str(spec["const"])
    if "enum" in spec:
        return ", ".join(str(one) for one in spec["enum"])
    if spec.get("pattern") == DURATION:
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
    if type_ == "string" and "pattern" in spec and spec.get("examples"):
        return f"text, e.g. `{spec['examples'][0]}`"
    low, high = spec.get("minimum"), spec.get("maximum", spec.get("exclusiveMaximum"))
    least = f"above {spec['exclusiveMinimum']}" if "exclusiveMinimum" in spec else f"from {low}" if low is not None else ""
    bounds = f", {least}{f' to {high}' if high is not None else ''}" if least else ""
    words = {"string": str(spec.get("format", "text")), "integer": "whole number", "boolean": "true or false"}
    return words.get(type_, type_) + bounds


def _default(spec: Schema, must: bool) -> str:
    if must:
        return "*required*"
    value = spec.get("default")
    if value is None or value in ([], {}, ""):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, Mapping):
        return ", ".join(f"`{key}: {one}`" for key, one in value.items() if one is not None)
    if spec.get("pattern") == DURATION:  # a default stands in the schema as ISO 8601
        value = format_duration(_ISO.validate_python(value))
    if isinstance(value, list):
        return f"`{', '.join(_flow(one) if isinstance(one, dict) else str(one) for one in value)}`"
    return f"`{value}`"


def block(example: Mapping[str, Any]) -> str:
    """A fenced block of YAML: names and fields on lines of their own, what is in a field on one line where there is room."""
    return "\n".join(["```yaml", *_lines(example, BLOCKS), "```", ""])


def _lines(value: Any, blocks: int) -> Iterator[str]:
    """A map or list, one entry a line; a map or list in it stands below its key while `blocks` last, or when it is long."""
    entries = value.items() if isinstance(value, Mapping) else [(None, one) for one in value]
    for key, one in entries:
        head, flow = "-" if key is None else f"{_scalar(key)}:", _flow(one)
        if not isinstance(one, dict | list) or (blocks <= 1 and len(flow) <= WIDTH):
            yield f"{head} {flow}"
        elif key is None:
            first, *rest = _lines(one, blocks - 1)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield head
            yield from (f"  {line}" for line in _lines(one, blocks - 1))


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(key)}: {_flow(one)}' for key, one in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str) or _PLAIN.fullmatch(value):
        return json.dumps(value) if not isinstance(value, str) else value
    return f"'{value}'" if '"' in value and "'" not in value and "\\" not in value else json.dumps(value)
