"""Every change leaves a line: who, over what, did what, to which thing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.people import store
from app.people.model import Actor


def record(db: Connection, actor: Actor, action: str, object_: str, detail: Mapping[str, Any], now: datetime) -> None:
    """Note that `actor` did `action` (`incident.acknowledge`) to `object_` (`incident:42`). No secrets in `detail`."""
    store.add_audit(
        db, {"at": now, "actor": actor.login, "via": actor.via, "action": action, "object": object_, "detail": dict(detail)}
    )
