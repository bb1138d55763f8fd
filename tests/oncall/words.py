"""How these tests speak of schedules: layers in a line, shifts as lines of text."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.oncall.model import Kind, Override, Schedule, Shift

PARIS = ZoneInfo("Europe/Paris")
Layer = dict[str, Any]  # as YAML gives it, or a part of one


def layer(name: str, users: str, every: str, handoff: str, start: str, **more: Any) -> Layer:
    """A layer as YAML gives it; `users` separated by blanks."""
    return {"name": name, "users": users.split(), "every": every, "handoff": handoff, "start": start, **more}


def always(name: str, user: str, **more: Any) -> Layer:
    """A layer that one user holds from 2011 on."""
    return layer(name, user, "1d", "00:00", "2011-01-01", **more)


def schedule(*layers: Layer, **more: Any) -> Schedule:
    """A schedule of these layers."""
    return Schedule.model_validate({"layers": list(layers), **more})


def at(text: str) -> datetime:
    """`2026-11-02 08:00` in UTC."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def between(start: str, end: str, user: str, made: str | None = None, instead_of: str | None = None) -> Override:
    """An override, or with `instead_of` a swap; all times UTC."""
    kind = Kind.SWAP if instead_of else Kind.OVERRIDE
    return Override("s", user, at(start), at(end), "", at(made) if made else None, kind, instead_of)


def lines(shifts: list[Shift]) -> list[str]:
    """`ada 2026-11-02 08:00 - 2026-11-09 08:00 week`, the source in place of the layer for overrides and swaps."""
    form = "%Y-%m-%d %H:%M"
    return [f"{one.user} {one.start:{form}} - {one.end:{form}} {one.layer or one.source}" for one in shifts]
