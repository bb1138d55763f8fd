"""Examples of what a configuration declares, made of the `examples=` that the fields of its types have.

Together they are one valid configuration: names that one of them uses, another declares.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.checks.probe import Probe
from app.configfile.kinds import channel_spec, rule_spec
from app.configfile.sections import Section, Shape

Entry = dict[str, Any]


def example(type_: type[BaseModel], number: int = 0) -> Entry:
    """The `number`th example of a thing: of each field the `number`th of its `examples=`; None leaves the field out there.

    A required field has something in all of them: the last it has, or what its type suggests.
    """
    found: Entry = {}
    for name, field in type_.model_fields.items():
        values = field.examples or ([_suggested(name, field)] if field.is_required() else [])
        index = min(number, len(values) - 1) if field.is_required() else number
        if index < len(values) and values[index] is not None:
            found[field.alias or name] = values[index]
    return found


def section_example(section: Section) -> Entry:
    """The example of a section, as it is written in a file."""
    things = list(_things(section))
    if section.shape is Shape.MAP:
        return {section.key: dict(zip(section.names, things, strict=True))}
    return {section.key: things if section.shape is Shape.LIST else things[0]}


def _things(section: Section) -> Iterator[Entry]:
    """As many as the section has names for; of a list, as many as any of its fields has examples."""
    most = max((len(field.examples or ()) for field in section.type.model_fields.values()), default=1)
    count = {Shape.MAP: len(section.names), Shape.LIST: most, Shape.ONE: 1}[section.shape]
    yield from (example(section.type, number) for number in range(count))


def probe_example(probe: Probe) -> Entry:
    """A check that uses this probe, named after it."""
    settings = example(probe.spec)
    return {"checks": {probe.name.replace(".", "-"): {"probe": probe.name, **({"with": settings} if settings else {})}}}


def rule_example(kind: str) -> Entry:
    """A rule of this kind, named after it."""
    return {"rules": {kind: {**example(rule_spec(kind)), "kind": kind}}}


def channel_example(kind: str) -> Entry:
    """A channel of this kind, named after it."""
    return {"channels": {kind: {"kind": kind, **example(channel_spec(kind))}}}


def _suggested(name: str, field: FieldInfo) -> Any:
    """Something of the field's type, for a probe whose author gave no examples."""
    limits = [getattr(one, bound) for one in field.metadata for bound in ("ge", "gt") if hasattr(one, bound)]
    lowest = limits[0] if limits else 0
    by_type: list[tuple[object, Any]] = [(int, int(lowest) + 1), (float, lowest + 1.5), (bool, True)]
    return next((value for type_, value in by_type if field.annotation is type_), name)
