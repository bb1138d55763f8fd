"""JSON Schema of a configuration file, for editors: completion, and red lines before `tocsin config check` says so."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from app.checks import probes
from app.configfile.kinds import channel_kinds, channel_spec, rule_kinds, rule_spec
from app.configfile.sections import CHANNEL_KINDS_PLANNED, SECTIONS, Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
Schema = dict[str, Any]


class Written(GenerateJsonSchema):
    """As people write it: where a list or map is taken, its short form is as well."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        if inner.get("type") == "array":
            return {"anyOf": [{**inner.get("items", {})}, inner]}
        if "$ref" in inner or inner.get("type") == "object":
            return {"anyOf": [{"type": "string"}, inner]}
        return inner

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:  # noqa: ARG002
        return {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]", "examples": ["22:00"]}


def schema() -> Schema:
    """The schema of one file; every section is optional, because several files make a configuration."""
    names, definitions = _definitions()
    properties = {}
    for section in SECTIONS.values():
        item = _item(section.kind, {"$ref": names[section.type]}, names)
        properties[section.key] = {
            Shape.MAP: {"type": ["object", "null"], "additionalProperties": item},
            Shape.LIST: {"type": ["array", "null"], "items": item},
            Shape.ONE: item,
        }[section.shape]
    properties["flapping"] = {"anyOf": [properties["flapping"], {"const": "off"}, {"const": False}]}
    return {
        "$schema": DIALECT,
        "title": "Tocsin: alerting as code",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }


def _types() -> Iterator[type[BaseModel]]:
    yield from (section.type for section in SECTIONS.values())
    yield from (channel_spec(kind) for kind in channel_kinds())
    yield from (rule_spec(kind) for kind in rule_kinds())
    yield from (probe.spec for probe in probes.usable().values())


def _definitions() -> tuple[dict[type[BaseModel], str], Schema]:
    types = list(dict.fromkeys(_types()))
    refs, made = models_json_schema([(one, "validation") for one in types], by_alias=True, schema_generator=Written)
    definitions: Schema = {name: _variables(one) for name, one in made.get("$defs", {}).items()}
    names = {one: str(refs[one, "validation"]["$ref"]) for one in types}
    for kind in channel_kinds():  # a channel's own fields stand beside its kind, which their type does not know
        definition = definitions[names[channel_spec(kind)].rpartition("/")[2]]
        definition.setdefault("properties", {})["kind"] = {"const": kind}
    return names, definitions


def _item(kind: str, plain: Schema, names: dict[type[BaseModel], str]) -> Schema:
    if kind == "channel":
        built = [_when("kind", kind, {"$ref": names[channel_spec(kind)]}) for kind in channel_kinds()]
        return _by_kind([*channel_kinds(), *CHANNEL_KINDS_PLANNED], built)
    if kind == "rule":
        built = [_when("kind", kind, {"$ref": names[rule_spec(kind)]}) for kind in rule_kinds()]
        return _by_kind(rule_kinds(), built)
    if kind == "check":
        usable = probes.usable()
        options = [_when("probe", name, {"properties": {"with": {"$ref": names[one.spec]}}}) for name, one in usable.items()]
        known = {"properties": {"probe": {"enum": sorted(usable)}}}
        return {"allOf": [plain, known, *options]}
    return {"anyOf": [plain, {"type": "null"}]} if kind == "service" else plain


def _by_kind(kinds: list[str], built: list[Schema]) -> Schema:
    known = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": sorted(kinds)}}}
    return {"allOf": [known, *built]}


def _when(key: str, word: str, then: Schema) -> Schema:
    return {"if": {"required": [key], "properties": {key: {"const": word}}}, "then": then}


def _variables(value: Any) -> Any:
    """Where a number, yes/no or a text of a certain form is wanted, `${VAR}` may stand."""
    if isinstance(value, list):
        return [_variables(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: _variables(one) for key, one in value.items()}
    judged = found.get("type") == "string" and {"pattern", "format", "minLength", "maxLength", "enum"} & found.keys()
    if found.get("type") in ("integer", "number", "boolean") or (judged and found != _VARIABLE):
        about = {key: found.pop(key) for key in ("title", "description", "default") if key in found}
        return {**about, "anyOf": [found, _VARIABLE]}
    return found
