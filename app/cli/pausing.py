"""For how long, or until when: the options of whatever can be paused or snoozed."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import cell, instant
from app.errors import Invalid
from app.units import parse_duration

if TYPE_CHECKING:
    from app.checks.pause import Pause

Length = Annotated[str | None, typer.Option("--for", help="How long: 30m, 2h, 3d; default: until resumed.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Until when, e.g. 2026-12-01T08:00:00+01:00.")]
Why = Annotated[str, typer.Option("--reason", help="Why; shown in the console and the audit log.")]


def end(length: str | None, until: str | None, now: datetime, option: str = "--until") -> datetime | None:
    """When it is over; None: neither was given. `option`: what `until` is called. Raises Invalid."""
    if length is not None and until is not None:
        raise Invalid(f"give --for or {option}, not both")
    try:
        return instant(until) if length is None else now + parse_duration(length)
    except ValueError as error:
        raise Invalid(f"--for: {error}") from None


def said(name: str, pause: "Pause | None", otherwise: str) -> str:
    """What is paused now, until when and why."""
    until = f"until {cell(pause.until)}" if pause and pause.until else otherwise
    return f"{name}: paused {until}{f' ({pause.reason})' if pause and pause.reason else ''}"
