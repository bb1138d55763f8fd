"""Whom paging by hand would reach, when and over what, if nobody acknowledged: the same decisions; nothing is sent."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection
from typing_extensions import TypedDict

from app.actions.manual import ManualPage, check, decide, known_of
from app.alerts.label import labels as labelled
from app.catalog import store as catalog
from app.incidents.place import alone
from app.people.model import Actor, Urgency
from app.people.permission import require
from app.review.preview import Preview, PublicMessage, alert_of, channel_kinds, escalate, message


class PublicManualPreview(TypedDict):
    """What paging by hand would lead to if nobody acknowledged; `policy`: the team's own, or the target itself."""

    policy: str
    urgency: Urgency
    assigned_to: str | None
    steps: list[PublicMessage]
    notes: list[str]


def preview(db: Connection, asked: ManualPage, actor: Actor, now: datetime) -> tuple[Preview, PublicManualPreview]:
    """Every message, and its public form. Raises as `app.actions.manual.page`."""
    require(actor, "respond")
    check(asked)
    known, made = known_of(db, asked, actor), decide(db, asked, actor, now)
    labels = labelled(made.signal, catalog.services(db), made.routing.timetable.open_at(now))
    alert = alert_of(made.signal, labels, now)
    (opened,) = alone(alert, made.group, made.routing, now).started
    found = Preview(made.routing.of(alert), labels, kinds=channel_kinds(db))
    if known is not None:
        found.notes.append(f"#{known.number} is already open for this key: it is returned, and no pages are sent")
    else:
        escalate(db, found, replace(opened, assigned_to=made.assigned_to), made.routing.timetable, now)
    return found, {
        "policy": made.chosen.name,
        "urgency": found.routed.urgency,
        "assigned_to": made.assigned_to,
        "steps": [message(one, found.kinds) for one in found.sent],
        "notes": found.notes,
    }
