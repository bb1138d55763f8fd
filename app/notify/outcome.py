"""Writes down how attempts ended, and what follows: a retry, the next contact, a kept or a broken promise."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.errors import DeliveryError, Permanent, Transient
from app.escalation import store as escalations
from app.escalation.model import Debt, Obligation
from app.escalation.service import Call, owners, resolve
from app.incidents import store as incidents
from app.incidents.model import Event
from app.notify import service, store
from app.notify.model import Claim, Draft, Kind, Outcome, Receipt, State
from app.notify.retry import wait
from app.notify.settle import FALLBACK, next_contact, settle
from app.people import store as people
from app.people.model import INBOX, Directory


@dataclass(frozen=True, slots=True)
class Sent:
    """What the network said to one job."""

    claim: Claim
    answer: Receipt | DeliveryError


def record(db: Connection, sent: Sequence[Sent], now: datetime) -> list[tuple[int, float]]:
    """Write the outcomes in one go; the pages to be tried again, with the seconds to wait."""
    ended = [_ended(one, now) for one in sent]
    written = {one.id for one in store.record(db, ended, now)}
    ours = [one for one in ended if one.claim.id in written]
    _note(db, ours, now)
    _fall_back(db, [one for one in ours if one.state is State.FAILED], now)
    keep_promises(db, [one.claim.draft for one in ours], now)
    _late(db, [one.claim.draft for one in ours if one.state in store.REACHED], now)
    return [(one.claim.id, (one.next_at - now).total_seconds()) for one in ours if one.next_at is not None]


def _ended(one: Sent, now: datetime) -> store.Ended:
    if isinstance(one.answer, Receipt):
        state = State.DELIVERED if one.answer.delivered else State.ACCEPTED
        return store.Ended(one.claim, Outcome.ACCEPTED, state, None, one.answer.provider_id, None)
    error = str(one.answer)[:500]
    if isinstance(one.answer, Permanent):
        return store.Ended(one.claim, Outcome.PERMANENT, State.FAILED, None, None, error)
    asked = one.answer.retry_after if isinstance(one.answer, Transient) else None
    again = now + wait(one.claim.attempt, random.random(), asked)  # noqa: S311
    return store.Ended(one.claim, Outcome.TRANSIENT, State.QUEUED, again, None, error)


def _note(db: Connection, ended: Sequence[store.Ended], now: datetime) -> None:
    events = []
    for one in ended:
        draft = one.claim.draft
        if draft.incident is None or (one.outcome is Outcome.TRANSIENT and one.claim.attempt > 1):
            continue
        whom = f"{draft.user} over {draft.channel}" if draft.user else draft.channel
        texts = {
            Outcome.ACCEPTED: f"{draft.kind} to {whom}: accepted",
            Outcome.PERMANENT: f"{draft.kind} to {whom} failed: {one.error}",
            Outcome.TRANSIENT: f"{draft.kind} to {whom} was not taken, trying again: {one.error}",
        }
        events.append(Event(draft.incident, f"page_{one.state}", texts[one.outcome], detail={"page": one.claim.id}))
    incidents.record(db, events, now)


def _fall_back(db: Connection, failed: Sequence[store.Ended], now: datetime) -> None:
    """A contact that failed for good falls to the person's next one, at once."""
    lost = [one for one in failed if one.claim.draft.user and one.claim.draft.kind is Kind.PAGE]
    if not lost:
        return
    directory = people.directory(db, catalog.defaults(db).timezone)
    used = _used(db, [one.claim.draft for one in lost])
    drafts: list[Draft] = []
    for one in lost:
        draft = one.claim.draft
        person = directory.people.get(draft.user or "")
        place = (draft.incident, draft.generation, draft.round, draft.step, draft.user)
        contact = next_contact(person.contacts, used[place], draft.contact or "") if person else None
        if contact is not None:
            used[place].append(contact.name)
            key = f"{draft.key.rpartition(':')[0]}:{contact.name}"
            why = f"{FALLBACK}: {draft.channel} failed ({one.error})"
            drafts.append(
                replace(draft, key=key, contact=contact.name, channel=contact.channel, to=contact.to, due_at=now, reason=why)
            )
    store.queue_all(db, drafts, now, service.PAGE_LIFE)


def _used(db: Connection, drafts: Sequence[Draft]) -> defaultdict[tuple[Any, ...], list[str]]:
    used: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for page in store.of_incidents(db, sorted({one.incident or 0 for one in drafts})):
        place = (page["incident"], page["generation"], page["round"], page["step"], page["user_name"])
        used[place].append(page["contact"])
    return used


def keep_promises(db: Connection, drafts: Sequence[Draft], now: datetime) -> None:
    """End the obligations these pages served where that is decided; a broken one pages the owners another way."""
    ids = sorted({draft.obligation for draft in drafts if draft.obligation is not None})
    if not ids:
        return
    pages: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for page in store.of_obligations(db, ids):
        pages[page["obligation"]].append(page)
    obligations = escalations.by_ids(db, ids)
    directory = people.directory(db, catalog.defaults(db).timezone)
    broken = []
    for id_, of_one in pages.items():
        decided = settle(of_one, _only_inbox(obligations[id_].user, directory))
        if decided is None:
            continue
        ended = escalations.end_obligations(db, [id_], decided[0], decided[1], now)
        if ended and decided[0] is Debt.BREACHED:
            broken.append((obligations[id_], decided[1]))
    _breach(db, broken, now)


def _only_inbox(login: str | None, directory: Directory) -> bool:
    person = directory.people.get(login) if login else None
    return person is not None and all(contact.name == INBOX for contact in person.contacts)


def _breach(db: Connection, broken: Sequence[tuple[Obligation, str]], now: datetime) -> None:
    """Nobody could be reached as promised: the platform's owners hear of it, beside the steps to come."""
    if not broken:
        return
    named = owners(db)
    directory = people.directory(db, catalog.defaults(db).timezone)
    reached = resolve(db, set(named), directory, now)
    found = incidents.by_numbers(db, sorted({one.incident for one, _ in broken}))
    calls, events = [], []
    for obligation, why in broken:
        because = f"nobody was reached for {obligation.target}: {why}"
        events.append(Event(obligation.incident, "breach", because))
        for target in named:
            for user in reached[target].users:
                if user != obligation.user:
                    round_ = 1000 + obligation.id  # its own place, so that it never collides with a step's page
                    calls.append(Call(None, found[obligation.incident], round_, obligation.step, user, None, because))
    incidents.record(db, events, now)
    service.queue(db, calls, now)


def _late(db: Connection, drafts: Sequence[Draft], now: datetime) -> None:
    """A page that was on its way when its incident ended is followed by its end."""
    numbers = sorted({one.incident for one in drafts if one.incident is not None and one.kind is Kind.PAGE})
    if numbers:
        ended = [one for one in incidents.by_numbers(db, numbers).values() if not one.open and one.merged_into is None]
        for one in ended:
            service.tell_end(db, [one], one.resolved_by, now)
