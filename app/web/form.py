"""A form generated from the settings of a probe, and how its input is read. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO
from typing import Any

from pydantic import BaseModel, TypeAdapter
from ruamel.yaml import YAML

from app.checks.prober.decide import WHERE
from app.configfile.compose import compose
from app.configfile.tree import plain
from app.errors import Fault
from app.redact import is_secret
from app.redact import shown as starred
from app.secret import STARS
from app.units import WRITTEN, format_duration

LONG = ("query", "body")  # texts that take more than a line
YES_NO = {"yes": True, "no": False}
KEPT_IN = (*WHERE, "port", "command", "ca", "verify_tls")  # settings that say where a secret goes
_LENGTH = TypeAdapter(timedelta)
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. kind: text, long, number, choice, yaml, secret, or secrets (a map of them); text: what stands in it."""

    name: str
    kind: str
    about: str
    default: str
    required: bool
    options: tuple[str, ...] = ()
    text: str = ""
    kept: bool = False  # a secret is declared, and used unless another is typed
    fault: str = ""

    @property
    def input(self) -> str:
        """Its name in the form; what is secret says so, since forms that fail are shown again."""
        return f"secret.{self.name}" if self.secret else f"with.{self.name}"

    @property
    def secret(self) -> bool:
        """Whether it is never shown."""
        return self.kind in ("secret", "secrets")


def fields(spec: type[BaseModel], declared: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a probe's settings, filled with what is declared; those that must be given come first."""
    schema = spec.model_json_schema(by_alias=True)
    required = schema.get("required", ())
    made = []
    for name, one in schema.get("properties", {}).items():
        kind, options = _kind(name, one, schema)
        field = Field(name, kind, str(one.get("description", "")), _default(one), name in required, options)
        if name in declared:
            field = _filled(field, declared[name])
        made.append(field)
    return tuple(sorted(made, key=lambda one: not one.required))


def _filled(field: Field, value: Any) -> Field:
    if field.secret:
        return replace(field, kept=True)
    text = written(starred(value, (field.name,)))
    return replace(field, text=text, kind="long" if field.kind == "text" and "\n" in text else field.kind)


def safe(known: Sequence[Field], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they may be shown."""
    hidden = {one.name for one in known if one.secret}
    return {name: STARS if name in hidden else starred(value, (name,)) for name, value in declared.items()}


def refill(known: Sequence[Field], typed: Mapping[str, str], faults: Sequence[Fault]) -> tuple[Field, ...]:
    """The same fields with what was typed, secrets left out, and what is wrong beside each."""
    wrong: dict[str, list[str]] = {}
    for one in faults:
        path = one.field.removeprefix("with.").split(".")
        wrong.setdefault(path[0], []).append(": ".join(filter(None, (".".join(path[1:]), one.detail))))
    return tuple(
        replace(
            one,
            text="" if one.secret else typed.get(one.input, ""),
            fault="; ".join(dict.fromkeys(wrong.get(one.name, ()))),
        )
        for one in known
    )


def settings(
    known: Sequence[Field], typed: Mapping[str, str], declared: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Fault]]:
    """What was meant, and what cannot be meant. What was not touched stays as declared, secrets included.

    But a secret that is declared goes nowhere else than where it is declared to go.
    """
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for one in known:
        text = typed.get(one.input, "").replace("\r\n", "\n")
        if one.name in declared and text == one.text:
            found[one.name] = declared[one.name]
        elif text.strip():
            value, wrong = _parsed(one, text)
            faults += [Fault(one.name, why) for why in wrong]
            found[one.name] = value
    if any(found.get(name) != declared.get(name) for name in KEPT_IN):
        faults += [
            Fault(name, "enter this again: the target changed, and the stored secret is only sent to the configured target")
            for name in _stored_secrets(known, found, declared)
        ]
    return found, faults


def written(value: Any) -> str:
    """A setting as text: words and numbers as they are, maps and lists as YAML."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    if value is None:
        return ""
    return block(value) if isinstance(value, Mapping | list | tuple) else str(value)


def block(value: Any) -> str:
    """YAML, a line for each thing."""
    yaml = YAML(typ="safe", pure=True)
    options: Any = {"default_flow_style": False, "width": 120, "sort_base_mapping_type_on_output": False}
    for name, wanted in options.items():
        setattr(yaml, name, wanted)
    out = StringIO()
    yaml.dump(value, out)
    return out.getvalue().rstrip("\n")


def to_paste(known: Sequence[Field], found: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for a file: each secret as the variable that is to hold it."""
    hidden = {one.name for one in known if one.secret}
    return {
        name: _variables(name, value) if name in hidden else _masked(starred(value, (name,))) for name, value in found.items()
    }


def _variables(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _variables(str(key), one) for key, one in value.items()}
    return f"${{{re.sub(r'[^A-Za-z0-9_]', '_', name).upper()}}}"


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return value.replace("${", "$${").replace(STARS, "${SECRET}") if isinstance(value, str) else value


def _stored_secrets(known: Sequence[Field], found: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[str]:
    """Fields that hold a declared secret which nobody has typed anew."""
    for one in known:
        if one.name in declared and found.get(one.name) == declared[one.name]:
            value = declared[one.name]
            if one.secret or starred(value, (one.name,)) != value:
                yield one.name


def _parsed(one: Field, text: str) -> tuple[Any, list[str]]:
    if one.kind == "secret":
        return text, []
    if STARS in text:
        return text, [f"{STARS} is a hidden secret; enter the secret, or leave the field unchanged"]
    if one.kind in ("yaml", "secrets"):
        node, errors = compose(one.name, text, {})
        return plain(node) if node else None, [f"line {said.line}: {said.message}" for said in errors]
    if one.kind == "number":
        return _number(text.strip()), []
    if one.kind == "choice":
        return (YES_NO.get(text, text) if one.options == tuple(YES_NO) else _number(text)), []
    return text if one.kind == "long" else text.strip(), []


def _number(text: str) -> Any:
    """A number where it is one; the probe's own words say what is wrong with anything else."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _kind(name: str, spec: Schema, root: Schema) -> tuple[str, tuple[str, ...]]:
    some = [one for one in spec.get("anyOf", [spec]) if one.get("type") != "null"]
    if len(some) != 1:
        return "yaml", ()
    one = some[0]
    if "$ref" in one:
        one = root["$defs"][str(one["$ref"]).rpartition("/")[2]]
    options = one.get("enum", [one["const"]] if "const" in one else None)
    if options:
        return "choice", tuple(map(str, options))
    if one.get("format") == "password" or (one.get("type") == "string" and is_secret([name])):
        return "secret", ()
    if one.get("additionalProperties", {}) and dict(one["additionalProperties"]).get("format") == "password":
        return "secrets", ()
    by_type = {"boolean": ("choice", tuple(YES_NO)), "integer": ("number", ()), "number": ("number", ())}
    plain_text = ("long" if name in LONG else "text", ()) if one.get("type") == "string" else ("yaml", ())
    return by_type.get(str(one.get("type")), plain_text)


def _default(spec: Schema) -> str:
    """What holds when nothing is typed, as a person would type it; nothing where there is no default."""
    value = spec.get("default")
    if value in (None, [], {}, ""):
        return ""
    if isinstance(value, str) and spec.get("pattern") == WRITTEN:  # a length stands in the schema as ISO 8601
        return format_duration(_LENGTH.validate_python(value))
    if isinstance(value, Mapping):
        value = {key: one for key, one in value.items() if one not in (None, [], {}, False)}
    return written(value)
