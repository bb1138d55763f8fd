"""Every change leaves a line: who, over what, did what, to which thing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.people import store
from app.people.model import Actor


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What differs between two forms of a thing, for `detail`: its fields `before` and `after`. Nothing for no difference."""
    fields = [name for name in after if before.get(name) != after[name]]
    if not fields:
        return {}
    return {"before": {name: before.get(name) for name in fields}, "after": {name: after[name] for name in fields}}


def record(db: Connection, actor: Actor, action: str, object_: str, detail: Mapping[str, Any], now: datetime) -> None:
    """Note that `actor` did `action` (`incident.acknowledge`) to `object_` (`incident:42`). No secrets in `detail`."""
    record_all(db, actor, action, {object_: detail}, now)


def record_all(db: Connection, actor: Actor, action: str, details: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """The same for several objects, each with its detail, at once."""
    known = {"at": now, "actor": actor.login, "via": actor.via, "action": action}
    store.add_audits(db, [{**known, "object": object_, "detail": dict(detail)} for object_, detail in details.items()])
