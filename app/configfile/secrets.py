"""Declared secrets: which they are, by what a thing is parsed into; sealed for the database, starred for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr

from app.catalog.model import Declaration
from app.configfile.kinds import channel_spec, probe_spec
from app.configfile.sections import PLANNED
from app.errors import Invalid
from app.redact import SEALED, rewritten, shown
from app.seal import marked, opened, seal, unseal

SEALING = ("check", "channel", PLANNED)  # kinds whose secrets are opened where they are used, and nowhere else
Spec = Mapping[str, Any]


class Unbuilt(BaseModel):
    """What is secret by its field in kinds of channel that are planned only, beside what is secret by its name."""

    key: SecretStr | None = None
    providers: "list[Unbuilt]" = []


def sealed(one: Declaration, stored: bool = False) -> Declaration:
    """The same with its secrets sealed, those of a check for its location. stored: what is sealed already stays so."""
    if one.kind not in SEALING:
        return one
    location = str(one.spec.get("at") or "") if one.kind == "check" else ""

    def change(part: str) -> str:
        return part if stored and SEALED.search(part) else marked(part, location)

    def also(text: str) -> bool:
        """Nobody reads what is only planned; and what looks sealed in a file is text like any other."""
        return one.kind == PLANNED or (not stored and SEALED.search(text) is not None)

    return one._replace(spec=_own_part(one.kind, one.spec, lambda part, type_: rewritten(part, change, type_, also)))


def starred(kind: str, spec: Spec) -> Spec:
    """A stored form as people may see it."""
    if kind not in SEALING:
        return dict(shown(spec))
    return _own_part(kind, spec, lambda part, type_: shown(part, type_=type_))


def in_clear(declarations: Sequence[Declaration]) -> list[Declaration]:
    """To be compared with what files say; what does not open stays sealed, and differs from everything."""
    return [one._replace(spec=opened(one.spec, strict=False)) for one in declarations]


def closed(declarations: Sequence[Declaration]) -> list[Declaration]:
    """Those of `in_clear` that did not open."""
    return [one for one in declarations if one.kind in SEALING and SEALED.search(json.dumps(one.spec))]


def sealed_files(files: Mapping[str, str]) -> dict[str, str]:
    """The texts as they are kept: they may hold secrets anywhere, in a comment too."""
    return {"sealed": seal(json.dumps(dict(files)))}


def opened_files(stored: Mapping[str, str]) -> dict[str, str]:
    """The texts of `sealed_files`, or of a version that was kept before they were sealed. Raises Invalid."""
    if set(stored) == {"sealed"}:
        found: dict[str, str] = json.loads(unseal(stored["sealed"]))
        return found
    return dict(stored)


def spec_type(kind: str, spec: Spec) -> type[BaseModel] | None:
    """What a check's or channel's own settings are parsed into; None where that is not known here."""
    try:
        return probe_spec(str(spec.get("probe"))) if kind == "check" else channel_spec(str(spec.get("kind")))
    except (KeyError, Invalid):
        return None if kind == "check" else Unbuilt


def _own_part(kind: str, spec: Spec, work: Any) -> dict[str, Any]:
    """`spec` with `work(settings, type)` in place of the settings that are the probe's or the channel kind's own."""
    type_ = spec_type(kind, spec)
    if kind == "check":
        return {**spec, "with": work(spec["with"], type_)} if "with" in spec else dict(spec)
    return {**work(spec, type_), **({"kind": spec["kind"]} if "kind" in spec else {})}
