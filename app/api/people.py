"""People: who there is, who I am; and the audit of what everybody did."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from fastapi import Response
from pydantic import Field
from sqlalchemy import Connection

from app import clock
from app.actions import person
from app.api.answer import after, answer, before_id, listed, whole
from app.api.caller import Caller, router
from app.api.field import LIST, SMALL_LIST, Body, Cursor, Limit, MaybeInstant, MaybeText, Text
from app.api.forms import Listed, PublicMe, PublicReach, PublicRule, PublicUser
from app.catalog import store as catalog
from app.db import transaction
from app.oncall import service as oncall
from app.people import own, store
from app.people.model import Actor, AuditEntry, NotifyRule, Person, Urgency
from app.people.reach import Reach
from app.units import format_duration
from app.wording import texts

routes = router("people")


class NewContacts(Body):
    """Address by channel."""

    contacts: dict[Text, Text] = Field(max_length=person.MOST)


class NewRule(Body):
    """A contact, or the inbox, and how many seconds after the start of a step it is used."""

    contact: Text = Field(max_length=128)
    after: float = Field(default=0, strict=True, ge=0, le=604_800, allow_inf_nan=False)


class NewNotify(Body):
    """By urgency; null is the default of that urgency."""

    high: list[NewRule] | None = Field(default=None, max_length=person.MOST)
    low: list[NewRule] | None = Field(default=None, max_length=person.MOST)


class NewQuietHours(Body):
    """Local times, as 22:00."""

    from_: Text = Field(alias="from", max_length=8)
    to: Text = Field(max_length=8)


class NewSettings(Body):
    """Fields left out get the default."""

    timezone: Text | None = Field(default=None, max_length=64)
    notify: NewNotify = NewNotify()
    quiet_hours: NewQuietHours | None = None

    def written(self) -> dict[str, Any]:
        """As a file would write it."""
        rules = {"high": self.notify.high, "low": self.notify.low}
        notify = {
            urgency: [{"contact": one.contact, "after": format_duration(timedelta(seconds=round(one.after)))} for one in found]
            for urgency, found in rules.items()
            if found is not None
        }
        hours = {"from": self.quiet_hours.from_, "to": self.quiet_hours.to} if self.quiet_hours else None
        return {"timezone": self.timezone, "notify": notify or None, "quiet_hours": hours}


@routes.get("/users", response_model=Listed[PublicUser])
def users(cursor: Cursor = None, limit: Limit = SMALL_LIST) -> Response:
    """List active users by login, with their contacts but without addresses."""
    last = after(cursor) or ""
    with transaction() as db:
        people = store.directory(db, catalog.defaults(db).timezone).people
    rows = [people[login] for login in sorted(people) if login > last]
    return listed(rows[: limit + 1], limit, lambda one: one.login, _shown)


@routes.get("/me", response_model=PublicMe)
def me(caller: Caller) -> Response:
    """The user of this token, with their contacts, settings, and the schedules in which they are on call."""
    with transaction() as db:
        return answer(_me(db, caller))


@routes.put("/me/contacts", response_model=PublicMe)
def put_contacts(caller: Caller, new: NewContacts) -> Response:
    """Replace your contacts, address by channel; 409 for declared users."""
    with transaction() as db:
        person.set_contacts(db, caller.login or "", new.contacts, caller, clock.now(db))
        return answer(_me(db, caller))


@routes.put("/me/settings", response_model=PublicMe)
def put_settings(caller: Caller, new: NewSettings) -> Response:
    """Replace your time zone, notification rules and quiet hours; fields left out get the default. 409 for declared users."""
    with transaction() as db:
        person.set_settings(db, caller.login or "", new.written(), caller, clock.now(db))
        return answer(_me(db, caller))


@routes.get("/me/reach", response_model=Listed[PublicReach])
def reach(caller: Caller, at: MaybeInstant = None) -> Response:
    """How a page sent to you at `at` (default: the next 03:00 in your time zone) would reach you, by urgency."""
    with transaction() as db:
        now = clock.now(db)
        one = _caller(db, caller)
    found = own.reached(one, at or own.at_night(one, now))
    return whole([_shown_reach(urgency, each) for urgency, reached in found.items() for each in reached])


@routes.get("/audit", response_model=Listed[AuditEntry])
def audit(object: MaybeText = None, cursor: Cursor = None, limit: Limit = LIST) -> Response:
    """Who changed what, newest first; `object` as in `incident:42`."""
    with transaction() as db:
        rows = store.audited(db, object_=object, before=before_id(cursor), limit=limit + 1)
    return listed(rows, limit, lambda one: one.id, asdict)


def _shown(one: Person) -> PublicUser:
    return {
        "login": one.login,
        "name": one.title,
        "role": one.role,
        "timezone": one.zone.key,
        "declared": one.declared,
        "contacts": [{"name": one.name, "channel": one.channel} for one in one.contacts],
    }


def _caller(db: Connection, caller: Actor) -> Person:
    found = store.get(db, caller.login or "", catalog.defaults(db).timezone)
    assert found is not None
    return found


def _me(db: Connection, caller: Actor) -> dict[str, Any]:
    one = _caller(db, caller)
    held = [name for name, on in oncall.who(db, clock.now(db)).items() if caller.login in on.users]
    contacts = [{"name": each.name, "channel": each.channel, "to": each.to} for each in one.contacts]
    origin = catalog.origins(db, "user").get(one.login) if one.declared else None
    user = one.user
    hours = {"from": f"{user.quiet_hours.from_:%H:%M}", "to": f"{user.quiet_hours.to:%H:%M}"} if user.quiet_hours else None
    notify = {"high": _rules(user.notify.high), "low": _rules(user.notify.low)}
    return {**_shown(one), "contacts": contacts, "on_call": held, "notify": notify, "quiet_hours": hours, "origin": origin}


def _rules(rules: Sequence[NotifyRule] | None) -> list[PublicRule] | None:
    return None if rules is None else [{"contact": one.contact, "after": one.after.total_seconds()} for one in rules]


def _shown_reach(urgency: Urgency, one: Reach) -> PublicReach:
    return {
        "urgency": urgency,
        "at": one.at,
        "contact": one.contact.name,
        "channel": one.contact.channel,
        "reason": texts(one.reasons),
    }
