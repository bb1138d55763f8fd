"""An incident with all that belongs to it, as lines for a terminal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from app.units import counted
from app.walltime import parse_instant, stamp
from app.wording import alert_line

Dossier = Mapping[str, Any]
FIELDS = ("severity", "urgency", "service", "team", "policy", "runbook")


def shown(found: Dossier) -> Iterator[str]:
    """`found` as the API presents it; sections without an entry are left out."""
    yield f"#{found['number']} {found['title']}"
    for name, value in _facts(found):
        yield f"  {name}: {value}"
    for title, lines in (
        (counted(len(found["alerts"]), "alert"), map(_alert, found["alerts"])),
        ("timeline", map(_event, found["timeline"])),
        (counted(len(found["pages"]), "page"), map(_page, found["pages"])),
        ("next escalations", map(_escalation, found["upcoming"])),
    ):
        for at, line in enumerate(lines):
            if at == 0:
                yield f"{title}:"
            yield f"  {line}"


def _facts(found: Dossier) -> Iterator[tuple[str, str]]:
    yield "state", found["state"]
    yield from ((name, found[name]) for name in FIELDS if found[name])
    yield "opened", _at(found["opened_at"])
    for name in ("acknowledged", "resolved"):
        if found[f"{name}_at"]:
            yield name, _at(found[f"{name}_at"]) + (f" by {found[f'{name}_by']}" if found[f"{name}_by"] else "")
    if found["snoozed_until"]:
        yield "snoozed until", _at(found["snoozed_until"])
    if found["assigned_to"]:
        yield "assigned to", found["assigned_to"]
    if found["merged_into"]:
        yield "merged into", f"#{found['merged_into']}"
    yield from (("link", link) for link in found["links"])


def _alert(one: Dossier) -> str:
    why = one["reason"] if one["state"] == "resolved" else one["because"]
    until = f" to {stamp(one['ends_at'])}" if one["ends_at"] else ""
    about = alert_line(one["alertname"], one["summary"]) + (f" ({why})" if why and why not in one["summary"] else "")
    return f"{one['state']:<10} {one['severity']:<8} {stamp(one['starts_at'])}{until}  {about}"


def _event(one: Dossier) -> str:
    return f"{stamp(one['at'])}  {one['actor'] or 'tocsin'}: {one['text']}"


def _page(one: Dossier) -> str:
    whom = f"{one['user']} via {one['contact']}" if one["user"] else f"channel {one['channel']}"
    state = "held" if one["held_until"] else one["state"]
    errors = [attempt["error"] for attempt in one["attempts"] if attempt["error"]]
    failed = f": {errors[-1]}" if errors and one["state"] not in ("accepted", "delivered") else ""
    tries = f", {counted(len(one['attempts']), 'attempt')}" if len(one["attempts"]) > 1 else ""
    return f"{stamp(one['due_at'])}  {one['kind']} to {whom}: {state}{tries}{failed} ({one['reason']})"


def _escalation(one: Dossier) -> str:
    whom = ", ".join([*one["users"], *one["channels"]]) or "nobody"
    held = "".join(f"; {each['user']} {each['reason']}" for each in one["held"])
    return f"{stamp(one['at'])}  escalates to {whom} ({one['reason']}){held}"


def _at(text: str | datetime) -> str:
    return stamp(parse_instant(text) if isinstance(text, str) else text)
