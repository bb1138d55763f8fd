"""People: who there is, who I am; and the audit of what everybody did."""

from dataclasses import asdict

from fastapi import Response

from app import clock
from app.api.answer import after, answer, before_id, listed
from app.api.caller import Caller, router
from app.api.field import LIST, SMALL_LIST, Cursor, Limit, MaybeText
from app.api.forms import Listed, PublicMe, PublicUser
from app.catalog import store as catalog
from app.db import transaction
from app.oncall import service as oncall
from app.people import store
from app.people.model import AuditEntry, Person

routes = router("people")


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
    """The user of this token, with their contacts and the schedules in which they are on call."""
    assert caller.login is not None
    with transaction() as db:
        now = clock.now(db)
        person = store.get(db, caller.login, catalog.defaults(db).timezone)
        held = [name for name, on in oncall.who(db, now).items() if caller.login in on.users]
    assert person is not None
    contacts = [{"name": one.name, "channel": one.channel, "to": one.to} for one in person.contacts]
    return answer({**_shown(person), "contacts": contacts, "on_call": held})


@routes.get("/audit", response_model=Listed[AuditEntry])
def audit(object: MaybeText = None, cursor: Cursor = None, limit: Limit = LIST) -> Response:
    """Who changed what, newest first; `object` as in `incident:42`."""
    with transaction() as db:
        rows = store.audited(db, object_=object, before=before_id(cursor), limit=limit + 1)
    return listed(rows, limit, lambda one: one.id, asdict)


def _shown(person: Person) -> PublicUser:
    return {
        "login": person.login,
        "name": person.title,
        "role": person.role,
        "timezone": person.zone.key,
        "declared": person.declared,
        "contacts": [{"name": one.name, "channel": one.channel} for one in person.contacts],
    }
