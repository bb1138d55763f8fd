"""What follows pages that are not sent because their person, or the contact, is not there any more: never silence.

A changed contact is paged at its new address. One that was removed falls to the person's next. Where nothing is left, the
obligation is excused, and the policy goes on at once unless its step reaches somebody else. The caller holds the incidents.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.db import wake
from app.escalation import service as escalation
from app.escalation import store as escalations
from app.escalation.model import ObligationState
from app.notify import service, store
from app.notify.model import Claim, Draft, Kind, Page
from app.notify.settle import hopeful, next_contact
from app.people import store as people
from app.people.model import Contact, Person
from app.queues import Queue
from app.reason import Code, Reason

Withdrawn = tuple[Claim, Reason]


def follow(db: Connection, withdrawn: Sequence[Withdrawn], now: datetime) -> None:
    """Page the person another way, or somebody else. These pages have ended already."""
    store.explain(db, {claim.id: why for claim, why in withdrawn})
    withdrawn = [one for one in withdrawn if one[0].draft.kind is not Kind.TEST]
    if not withdrawn:
        return
    directory = people.by_logins(db, {claim.draft.user or "" for claim, _ in withdrawn}, catalog.defaults(db).timezone)
    pages = store.of_incidents(db, sorted({claim.draft.incident or 0 for claim, _ in withdrawn}))
    instead: list[Draft] = []
    lost: list[Withdrawn] = []
    for claim, why in withdrawn:
        draft = claim.draft
        same = [*(page for page in pages if page.slot == draft.slot), *(one for one in instead if one.slot == draft.slot)]
        if _covered(db, draft, why, pages, now):
            continue
        contact = _other(draft, why, directory.get(draft.user or ""), [one.contact for one in same if one.contact])
        if contact is not None:
            moved = replace(draft, contact=contact.name, channel=contact.channel, to=contact.to)
            instead.append(replace(moved, key=f"{draft.key}~{claim.id}", due_at=now, reasons=(why,)))
        elif draft.kind is Kind.PAGE:
            lost.append((claim, why))
    service.put(db, instead, now)
    _go_on(db, lost, pages, now)


def _covered(db: Connection, draft: Draft, why: Reason, pages: Sequence[Page], now: datetime) -> bool:
    """Whether the step reaches the person all the same, if need be by the page that waits for its `after`: now."""
    if draft.kind is not Kind.PAGE or why.code == Code.CONTACT_CHANGED:
        return False
    if hopeful([page for page in pages if page.slot == draft.slot], now):
        return True
    if why.code == Code.PERSON_GONE or not store.hurry(db, draft, (why,), now):
        return False
    wake(db, Queue.NOTIFY)
    return True


def _other(draft: Draft, why: Reason, person: Person | None, used: Sequence[str]) -> Contact | None:
    """The contact to be used instead: the same one where it is now, or the next."""
    if person is None or why.code == Code.PERSON_GONE:
        return None
    if why.code == Code.CONTACT_CHANGED:
        return next(one for one in person.contacts if one.name == draft.contact)
    return next_contact(person.contacts, used if draft.kind is Kind.PAGE else (), draft.contact or "")


def _go_on(db: Connection, lost: Sequence[Withdrawn], pages: Sequence[Page], now: datetime) -> None:
    """Excuse what these pages were to keep; the policy goes on where nobody else is reached by the step, or by a breach."""
    promised = {claim.draft.obligation: why for claim, why in lost if claim.draft.obligation is not None}
    excused = {id_: (ObligationState.EXCUSED, why) for id_, why in promised.items()}
    alone = set(escalations.abandoned(db, escalations.end_obligations(db, excused, now)))
    for breached in {claim.draft.breached for claim, _ in lost if claim.draft.breached is not None}:
        called = [page for page in pages if page.breached == breached]
        if not hopeful(called, now):
            alone |= {page.incident for page in called if page.incident is not None}
    escalation.go_on(db, sorted(alone), now)
