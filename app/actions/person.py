"""What is done to a person, by themselves or by an admin, in the caller's transaction. Pages under way take it into account."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.catalog.model import Channel
from app.errors import Fault, Invalid
from app.notify import service as pages
from app.notify.contact import wrong
from app.people import service as people
from app.people import store
from app.people.model import Actor
from app.people.permission import require

MOST = 20  # contacts of one person


def set_contacts(db: Connection, login: str, contacts: Mapping[str, str], actor: Actor, now: datetime) -> None:
    """Replace them, address by channel. Raises Invalid that names each wrong one, Conflict for a declared person."""
    _own(actor, login)
    person = store.get(db, login)
    faults = list(_faults(contacts, catalog.channels(db)))
    if faults and person is not None and not person.declared:
        raise Invalid("; ".join(f"{one.field}: {one.detail}" for one in faults[:3]), faults)
    people.set_contacts(db, login, contacts, actor, now)
    pages.recheck(db, now, login)


def set_settings(db: Connection, login: str, written: Mapping[str, Any], actor: Actor, now: datetime) -> None:
    """Set time zone, notification rules and quiet hours, as in a file. Raises Invalid, Conflict.

    Rules count from the next page on; pages that are held for quiet hours follow these at once.
    """
    _own(actor, login)
    people.set_settings(db, login, written, actor, now)
    pages.recheck(db, now, login)


def _own(actor: Actor, login: str) -> None:
    if actor.login != login:
        require(actor, "administer")


def remove(db: Connection, login: str, actor: Actor, now: datetime) -> None:
    """Remove a person who was invited, for good. Raises NotFound, Conflict for a declared one."""
    require(actor, "administer")
    people.remove(db, login, actor, now)
    pages.recheck(db, now, login)


def _faults(contacts: Mapping[str, str], channels: Mapping[str, Channel]) -> Iterator[Fault]:
    if len(contacts) > MOST:
        yield Fault("contacts", f"{len(contacts)} contacts; at most {MOST} are allowed")
    for name, to in contacts.items():
        if name not in channels:
            yield Fault(name[:80], "unknown channel")
        elif (why := wrong(channels[name].kind, to)) is not None:
            yield Fault(name, why)
