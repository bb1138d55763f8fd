"""Writes down how attempts ended, and what follows: a retry, the next contact, a kept or a broken promise."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.db import wake
from app.errors import DeliveryError, Permanent, Transient
from app.escalation import store as escalations
from app.escalation.model import Obligation, ObligationState
from app.escalation.plan import Step, others, targets
from app.escalation.request import page_request
from app.escalation.service import owners, resolve
from app.incidents import store as incidents
from app.incidents.model import Event
from app.notify import service, store, withdraw
from app.notify.key import page_key
from app.notify.model import Claim, Draft, Kind, Outcome, Page, PageState, Receipt
from app.notify.retry import wait
from app.notify.settle import hopeful, next_contact, not_answering, settle
from app.people import store as people
from app.queues import Queue
from app.reason import Code, Reason, nested
from app.visible import visible
from app.wording import text

ATTEMPTED = {
    Outcome.ACCEPTED: Code.PAGE_ACCEPTED,
    Outcome.PERMANENT: Code.PAGE_FAILED,
    Outcome.TRANSIENT: Code.PAGE_RETRIED,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What the network said to one job, or why it was not asked: the person or the contact is not there any more."""

    claim: Claim
    answer: Receipt | DeliveryError | Reason


def record(db: Connection, sent: Sequence[Sent], now: datetime) -> None:
    """Write the outcomes in one go, and wake whoever sends for what is to be tried again, or falls to another contact.

    The incidents are held first: one that ends meanwhile waits, and then knows who was notified.
    """
    incidents.hold(db, sorted({one.claim.draft.incident for one in sent if one.claim.draft.incident is not None}))
    ended = [_ended(one, now) for one in sent]
    written = {one.id: one for one in store.record(db, ended, now)}  # as their rows are: an undo moves them to its generation
    ours = [one._replace(claim=written[one.claim.id]) for one in ended if one.claim.id in written]
    gone = {one.claim.id: one.answer for one in sent if isinstance(one.answer, Reason)}
    _note(db, ours, gone, now)
    withdraw.follow(db, [(one.claim, gone[one.claim.id]) for one in ours if one.claim.id in gone], now)
    _fall_back(db, _lost(db, ours, now), now)
    keep_promises(db, [one.claim.draft for one in ours], now)
    service.follow_up(db, [one.claim.draft for one in ours if one.state in store.ENDED], now)
    for seconds in {(one.next_at - now).total_seconds() for one in ours if one.next_at is not None}:
        wake(db, Queue.NOTIFY, seconds)


def expire(db: Connection, now: datetime) -> None:
    """End the pages whose time has passed unsent, and what that means for the promises they served."""
    drafts = [one.draft for one in store.expire(db, now)]
    keep_promises(db, drafts, now)
    service.follow_up(db, drafts, now)


def _ended(one: Sent, now: datetime) -> store.Ended:
    if isinstance(one.answer, Receipt):
        state = PageState.DELIVERED if one.answer.delivered else PageState.ACCEPTED
        return store.Ended(one.claim, Outcome.ACCEPTED, state, None, visible(one.answer.provider_id or "") or None, None)
    if isinstance(one.answer, Reason):
        return store.Ended(one.claim, Outcome.PERMANENT, PageState.SUPERSEDED, None, None, f"not sent: {text(one.answer)}")
    error = visible(str(one.answer))[:500]  # a provider's own words may hold anything, also what no database takes
    if isinstance(one.answer, Permanent):
        return store.Ended(one.claim, Outcome.PERMANENT, PageState.FAILED, None, None, error)
    asked = one.answer.retry_after if isinstance(one.answer, Transient) else None
    chance = random.Random(f"{one.claim.draft.key} {one.claim.attempt}").random()  # noqa: S311 - the same whoever tries
    again = now + wait(one.claim.attempt, chance, asked)
    return store.Ended(one.claim, Outcome.TRANSIENT, PageState.QUEUED, again, None, error)


def _note(db: Connection, ended: Sequence[store.Ended], withdrawn: Mapping[int, Reason], now: datetime) -> None:
    events = []
    for one in ended:
        draft = one.claim.draft
        if draft.incident is None or (one.outcome is Outcome.TRANSIENT and one.claim.attempt > 1):
            continue
        facts = {"page": one.claim.id, "kind": draft.kind.value, "user": draft.user, "channel": draft.channel}
        why = withdrawn.get(one.claim.id)
        said = Reason(Code.PAGE_WITHDRAWN, facts | {"why": nested(why)}) if why else None
        events.append(Event(draft.incident, said or Reason(ATTEMPTED[one.outcome], facts | {"error": one.error})))
    incidents.record(db, events, now)


def _lost(db: Connection, ended: Sequence[store.Ended], now: datetime) -> list[store.Ended]:
    """Whose contact failed for good, or does not answer while nothing else of the step reaches the person: retries go on."""
    pages = [one for one in ended if one.claim.draft.user and one.claim.draft.kind is Kind.PAGE]
    pages = [one for one in pages if one.state is not PageState.SUPERSEDED]  # `withdraw` sees to those
    before = {one.claim.id: not_answering(one.claim.attempt - 1, one.claim.draft.due_at, now) for one in pages}
    failed = [one for one in pages if one.state is PageState.FAILED and not (one.claim.attempt > 1 and before[one.claim.id])]
    late = [one for one in pages if one not in failed and one.outcome is not Outcome.ACCEPTED]
    late = [one for one in late if not_answering(one.claim.attempt, one.claim.draft.due_at, now)]
    known = _pages(db, [one.claim.draft for one in late])
    return failed + [one for one in late if not hopeful(known[one.claim.draft.slot], now)]


def _fall_back(db: Connection, lost: Sequence[store.Ended], now: datetime) -> None:
    """A contact that failed falls to the person's next one, at once: one waiting for its `after`, or an unused one."""
    hurried = [one for one in lost if store.hurry(db, one.claim.draft, (_fallen(one),), now)]
    if hurried:
        wake(db, Queue.NOTIFY)
    lost = [one for one in lost if one not in hurried]
    if not lost:
        return
    directory = people.directory(db, catalog.defaults(db).timezone)
    pages = _pages(db, [one.claim.draft for one in lost])
    used = defaultdict(list, {slot: [page.contact for page in of_one if page.contact] for slot, of_one in pages.items()})
    drafts: list[Draft] = []
    for one in lost:
        draft = one.claim.draft
        person = directory.people.get(draft.user or "")
        contact = next_contact(person.contacts, used[draft.slot], draft.contact or "") if person else None
        if contact is not None:
            used[draft.slot].append(contact.name)
            moved = replace(draft, contact=contact.name, channel=contact.channel, to=contact.to)
            drafts.append(replace(moved, key=page_key(draft, contact.name), due_at=now, reasons=(_fallen(one),)))
    service.put(db, drafts, now)


def _fallen(one: store.Ended) -> Reason:
    code = Code.FALLBACK_LATE if one.outcome is Outcome.TRANSIENT else Code.FALLBACK
    return Reason(code, {"channel": one.claim.draft.channel, "attempts": one.claim.attempt, "error": one.error})


def _pages(db: Connection, drafts: Sequence[Draft]) -> defaultdict[tuple[object, ...], list[Page]]:
    """Every page of these drafts' incidents, by its place."""
    found: defaultdict[tuple[object, ...], list[Page]] = defaultdict(list)
    for page in store.of_incidents(db, sorted({one.incident or 0 for one in drafts})) if drafts else ():
        found[page.slot].append(page)
    return found


def keep_promises(db: Connection, drafts: Sequence[Draft], now: datetime) -> None:
    """End the obligations these pages served where that is decided; a broken one pages the owners another way."""
    ids = sorted({draft.obligation for draft in drafts if draft.obligation is not None})
    if not ids:
        return
    pages: dict[int, list[Page]] = defaultdict(list)
    for page in store.of_obligations(db, ids):
        pages[page.obligation or 0].append(page)
    decided = {id_: end for id_, of_one in pages.items() if (end := settle(of_one)) is not None}
    ended = escalations.end_obligations(db, decided, now)
    broken = [id_ for id_ in ended if decided[id_][0] is ObligationState.BREACHED]
    obligations = escalations.by_ids(db, broken) if broken else {}
    _breach(db, [(obligations[id_], decided[id_][1]) for id_ in broken], now)


def _breach(db: Connection, broken: Sequence[tuple[Obligation, Reason]], now: datetime) -> None:
    """Nobody could be reached as promised: the platform's owners are paged, beside the next steps."""
    if not broken:
        return
    directory = people.directory(db, catalog.defaults(db).timezone)
    last_resort = owners(db, directory)
    who = resolve(db, targets(None, last_resort), directory, now)
    found = incidents.by_numbers(db, sorted({one.incident for one, _ in broken}))
    requests, events = [], []
    for obligation, why in broken:
        incident = found[obligation.incident]
        reason = Reason(Code.BREACH, {"target": obligation.target, **why.facts})
        events.append(Event(incident.number, reason))
        step = Step(obligation.round, obligation.step, (), reason)
        for target, user in others(last_resort, who, obligation.user, obligation.target):
            request = page_request(incident, step, target, user)
            if request is not None:
                requests.append(replace(request, reasons=(reason,), breached=obligation.id))
    incidents.record(db, events, now)
    service.queue(db, requests, now)
