"""Puts a configuration in force, in the caller's transaction: all of it or nothing, one applier at a time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.alerts import service as alerts
from app.catalog import store as catalog
from app.catalog.model import Declaration, Defaults
from app.checks import service as checks
from app.checks.heartbeats import service as heartbeats
from app.checks.heartbeats.model import Heartbeat
from app.checks.model import Check
from app.configfile import store
from app.configfile.diff import Change, diff
from app.configfile.impact import retired, whom
from app.configfile.load import compile
from app.configfile.model import Config, Loaded
from app.configfile.secrets import sealed, sealed_files, starred
from app.db import refresh
from app.errors import Fault, Invalid
from app.escalation import service as escalation
from app.incidents import changeover
from app.notify import service as pages
from app.oncall import resolve
from app.oncall import service as oncall
from app.oncall import store as oncall_store
from app.oncall.model import Schedule
from app.people import audit
from app.people import service as people
from app.people import store as people_store
from app.people.model import FIRST_ADMIN, Actor, Directory, Person, Team, User
from app.rules import service as rules
from app.rules.model import Rule
from app.seal import keyed_digest
from app.units import counted


@dataclass(frozen=True, slots=True)
class Applied:
    """The version in force now, and what changed; nothing when it was in force already."""

    version: int
    changes: tuple[Change, ...]


def plan(db: Connection, loaded: Loaded) -> list[Change]:
    """What `apply` would change. Raises Invalid when the configuration has errors."""
    return diff(store.in_force(db), compile(_sound(loaded)), starred)


def paging(db: Connection, loaded: Loaded, changes: Sequence[Change], now: datetime) -> list[str]:
    """Whom `changes` would page differently, and which overrides would hold nobody because of who they name; in sentences."""
    config = _sound(loaded)
    zone = next(iter(config.of("defaults", Defaults).values()), Defaults()).timezone
    known = people_store.directory(db, zone).people
    invited = {login: one for login, one in known.items() if not one.declared or login == FIRST_ADMIN}  # who stays in any case
    declared = {
        login: Person(login, user, True, ZoneInfo(user.timezone or zone)) for login, user in config.of("user", User).items()
    }
    directory = Directory(invited | declared, config.of("team", Team))
    end = now + oncall.LONGEST
    made = oncall_store.overlapping(db, now, end)
    schedules = config.of("schedule", Schedule)
    idle = resolve.idle(schedules, ZoneInfo(zone), made, directory, now, end)
    ignored = [f'schedule "{name}": {one}' for name, found in idle.items() for one in found]
    return whom(changes, compile(config)) + list(_relieved(db, schedules, ZoneInfo(zone), directory, now)) + ignored


def _relieved(
    db: Connection, schedules: Mapping[str, Schedule], zone: ZoneInfo, directory: Directory, now: datetime
) -> Iterator[str]:
    """Where somebody else would be on call at once."""
    for name, was in oncall.who(db, now).items():
        if name in schedules:
            made = oncall_store.overlapping(db, now - resolve.HORIZON, now + resolve.HORIZON, name)
            on = resolve.holders(schedules[name], zone, made, now, directory.pageable)
            if on.users != was.users:
                first, then = (" and ".join(one.users) or "nobody" for one in (was, on))
                yield f'schedule "{name}": on call now is {then} instead of {first}'


def apply(db: Connection, loaded: Loaded, actor: Actor, now: datetime) -> Applied:
    """Put `loaded` in force. Raises Invalid when it has errors, Conflict when somebody else is applying."""
    config = _sound(loaded)
    store.lock(db)
    after = compile(config)
    digest = digest_of(loaded.files, after)
    if digest == catalog.digest_in_force(db):
        return Applied(catalog.version(db), ())
    changes = diff(store.in_force(db), after, starred)
    catalog.replace_all(db, [sealed(one) for one in after])
    remembered = [change.remembered() for change in changes]
    version = catalog.record_version(
        db, now=now, actor=actor.login or actor.via, digest=digest, files=sealed_files(loaded.files), changes=remembered
    )
    _tell(db, config, changes, now)
    refresh(db, "config")
    audit.record(db, actor, "config.apply", f"config:{version}", {"changes": [change.record() for change in changes]}, now)
    return Applied(version, tuple(changes))


def digest_of(files: Mapping[str, str], declarations: Sequence[Declaration]) -> str:
    """Tells two configurations apart: by their files, what the environment made of them, and the key they are sealed with."""
    content = json.dumps([sorted(files.items()), declarations])
    return keyed_digest(content.encode())


def _tell(db: Connection, config: Config, changes: Sequence[Change], now: datetime) -> None:
    """Let the stages take over what they keep rows for."""
    people.sync(db, config.of("user", User), config.of("team", Team), now)
    checks.sync(db, config.of("check", Check), now)
    heartbeats.sync(db, config.of("heartbeat", Heartbeat), catalog.defaults(db).timezone, now)
    rules.sync(db, config.of("rule", Rule), now)
    alerts.retire(db, retired(changes), now)
    changeover.recheck(db, now)
    escalation.recheck(db, now)
    pages.recheck(db, now)


def _sound(loaded: Loaded) -> Config:
    if loaded.config is None:
        faults = [Fault(f"{one.file}:{one.line}", one.message) for one in loaded.errors]
        raise Invalid(f"the configuration has {counted(len(faults), 'error')}; run `tocsin config check`", faults)
    return loaded.config
