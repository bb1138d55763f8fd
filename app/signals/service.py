"""Integrations and their keys; keeps what came in. Works in the caller's transaction."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from string import ascii_lowercase, digits

import orjson
from sqlalchemy import Connection

from app import plugins
from app.errors import Conflict, Invalid, NotActive, NotFound
from app.people import audit
from app.people.model import Actor
from app.people.permission import require
from app.seal import Unreadable, digest, seal, unseal
from app.settings import settings
from app.signals import store
from app.signals.model import Call, Integration

SOURCES = "app.signals.sources"
PLANNED = {"alertmanager", "cloudevents", "email", "falco", "grafana", "opsgenie", "pagerduty"}
PLANNED |= {"sentry", "sns", "zabbix"}
BOTH_LIVE = timedelta(days=7)  # after a rotation the old key works on for so long


def add(db: Connection, name: str, kind: str, service: str | None, actor: Actor, now: datetime) -> dict[str, str]:
    """Make an integration; its name, kind, key and URL."""
    require(actor, "edit")
    if kind in PLANNED and not plugins.exists(SOURCES, kind):
        raise NotActive(f'integrations of kind "{kind}" are not active yet; active: {", ".join(plugins.names(SOURCES))}')
    if not plugins.exists(SOURCES, kind):
        raise Invalid(f'unknown kind "{kind}"; use one of {", ".join(plugins.names(SOURCES))}')
    if not name or len(name) > 128 or not name.isprintable() or "/" in name:
        raise Invalid("the name of an integration must be 1 to 128 printable characters, without a slash")
    values = {"name": name, "kind": kind, "service": service, "created_at": now, "created_by": actor.login}
    if not store.add(db, values):
        raise Conflict(f'integration "{name}" already exists; rotate its key, or use another name')
    audit.record(db, actor, "integration.add", f"integration:{name}", {"kind": kind}, now)
    return _shown(name, kind, _new_key(db, name, now))


def rotate(db: Connection, name: str, actor: Actor, now: datetime) -> dict[str, str]:
    """A new key; the old ones work for seven days more."""
    require(actor, "edit")
    known = {one.name: one for one in store.listed(db, now)}
    if name not in known:
        raise NotFound(f'integration "{name}" not found')
    store.expire_keys(db, name, now + BOTH_LIVE)
    audit.record(db, actor, "integration.rotate", f"integration:{name}", {}, now)
    return _shown(name, known[name].kind, _new_key(db, name, now))


def listed(db: Connection, now: datetime) -> list[dict[str, str]]:
    """All integrations with key and URL: empty where another secret key has sealed it, with which it works all the same."""
    return [_shown(one.name, one.kind, _key(one.sealed)) for one in store.listed(db, now)]


def by_key(db: Connection, key: str, now: datetime) -> Integration | None:
    """Whose key this is."""
    return store.by_key(db, digest(key), now)


def keep(db: Connection, calls: Sequence[Call], now: datetime) -> None:
    """Keep calls as they came."""
    rows = [{"source": one.source, "payload": one.body, "events": len(one.signals), "trace": one.trace} for one in calls]
    store.keep_all(db, [{**row, "problem": None} for row in rows], now)


def keep_refused(db: Connection, source: str, raw: str, problem: str, now: datetime) -> None:
    """Keep a call that was refused, or the beginning of it, with the reason."""
    row = {"source": source, "payload": orjson.dumps({"raw": raw}), "events": 0, "trace": "", "problem": problem}
    store.keep_all(db, [row], now)


def _new_key(db: Connection, name: str, now: datetime) -> str:
    key = "".join(secrets.choice(digits + ascii_lowercase) for _ in range(32))
    store.add_key(db, {"key_digest": digest(key), "integration": name, "sealed": seal(key), "created_at": now})
    return key


def _key(sealed: str) -> str:
    try:
        return unseal(sealed)
    except Unreadable:
        return ""


def _shown(name: str, kind: str, key: str) -> dict[str, str]:
    return {"name": name, "kind": kind, "key": key, "url": f"{settings().url}/in/{key}" if key else ""}
