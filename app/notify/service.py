"""Queues, claims and records pages; keeps or breaks promises. Works in the caller's transaction, never on the network."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.alerts.model import Alert
from app.catalog import store as catalog
from app.catalog.model import Channel
from app.concurrency.deadline import awake
from app.db import wake
from app.escalation.service import Call
from app.incidents import store as incidents
from app.incidents.model import Incident
from app.incidents.model import State as IncidentState
from app.notify import store
from app.notify.compose import SHOWN_ALERTS, MessageContext, compose
from app.notify.flight import FLIGHT, Flight
from app.notify.links import LIFE as LINK_LIFE
from app.notify.model import Claim, Draft, Kind, Message, State
from app.people import store as people
from app.people.model import INBOX, Contact, Directory
from app.people.reach import reach
from app.queues import Queue
from app.reason import Code

LEASE = timedelta(seconds=15)
WARNED = timedelta(seconds=1.5)  # before a lease is taken from its holder, so long it may say that it lives
PAGE_LIFE = timedelta(hours=24)  # what nobody would take for so long is of no use any more
TEST_LIFE = timedelta(minutes=10)
BUILT_IN = Channel(kind=INBOX)


@dataclass(frozen=True, slots=True)
class Job:
    """A leased page, ready for the network."""

    claim: Claim
    message: Message
    channel: Channel | None  # None: the configuration has no such channel
    asked: float  # by `flight.awake`: it was wanted then at the latest


def queue(db: Connection, calls: Sequence[Call], now: datetime) -> list[int]:
    """Queue the pages that keep these promises; ids of the new ones."""
    if not calls:
        return []
    directory = people.directory(db, catalog.defaults(db).timezone)
    return put(db, drafts(calls, directory, now), now)


def put(db: Connection, made: Sequence[Draft], now: datetime, life: timedelta = PAGE_LIFE) -> list[int]:
    """Queue these pages, and wake whoever sends; ids of the new ones."""
    queued = store.queue_all(db, made, now, life)
    if queued:
        wake(db, Queue.NOTIFY)
    return queued


def drafts(calls: Sequence[Call], directory: Directory, now: datetime) -> list[Draft]:
    """The pages that keep these promises; one key may come twice, and is one page. Pure."""
    found: list[Draft] = []
    for call in calls:
        person = directory.people.get(call.user) if call.user else None
        if person is not None:
            for one in reach(person, call.incident.urgency, now):
                after = int((one.at - now).total_seconds())
                found.append(_draft(call, one.contact.name, one.contact.channel, one.contact.to, one.at, one.reason, after))
        elif call.channel is not None:
            found.append(_draft(call, None, call.channel, None, now, "", 0))
    return found


def _draft(call: Call, contact: str | None, channel: str, to: str | None, at: datetime, reason: str, after: int) -> Draft:
    incident = call.incident
    step = call.step if call.step is not None else "exhausted"
    who = call.user or "-"
    later = f":+{after}" if after else ""
    key = f"{incident.number}:{incident.generation}:{call.round}:{step}:{who}:{contact or channel}{later}"
    why = f"{call.because}; {reason}" if reason else call.because
    return Draft(
        key, Kind.PAGE, incident.number, call.obligation, incident.generation, call.round, call.step, call.user, contact,
        channel, to, at, why,
    )  # fmt: skip


def claim(
    db: Connection,
    context: MessageContext,
    now: datetime,
    limit: int,
    flight: Flight = FLIGHT,
    ids: Sequence[int] | None = None,
) -> list[Job]:
    """Lease what is due and compose it. Pages of incidents that need nobody any more are superseded instead."""
    asked = awake()
    store.contest_late(db, now, now + WARNED)
    live: list[Claim] = []
    found: dict[int, Incident] = {}
    while not live and (claims := store.claim(db, now, LEASE, limit, flight, ids)):
        found = incidents.by_numbers(db, sorted({one.draft.incident for one in claims if one.draft.incident is not None}))
        stale = [one for one in claims if not wanted(one.draft, found)]
        if stale:
            store.end_claims(db, stale, State.SUPERSEDED, now)
        live = [one for one in claims if wanted(one.draft, found)]
    if not live:
        return []
    facts: dict[int, list[Alert]] = defaultdict(list)
    for alert in alerts.shown(db, list(found), SHOWN_ALERTS):
        facts[alert.incident or 0].append(alert)
    channels = {**catalog.channels(db), INBOX: BUILT_IN}
    return [Job(one, _message(one, found, facts, context), channels.get(one.draft.channel), asked) for one in live]


def confirm(db: Connection, claims: Sequence[Claim], now: datetime) -> set[int]:
    """Ask again, as `claim` does: those of these pages that are still ours and wanted. Their leases begin anew.

    Whoever is just acknowledging one of the incidents is waited for.
    """
    numbers = sorted({one.draft.incident for one in claims if one.draft.incident is not None})
    incidents.hold(db, numbers)
    ours = store.renew(db, claims, now + LEASE)
    found = incidents.by_numbers(db, numbers)
    stale = [one for one in claims if one.id in ours and not wanted(one.draft, found)]
    if stale:
        store.end_claims(db, stale, State.SUPERSEDED, now)
    return ours - {one.id for one in stale}


def renew(db: Connection, claims: Sequence[Claim], now: datetime) -> None:
    """Hold the leases of what is still under way."""
    store.renew(db, claims, now + LEASE)


def free_orphans(db: Connection, now: datetime) -> list[str]:
    """Let go what senders that have ended had leased; their names."""
    return store.contest_gone(db, now + WARNED)


def wanted(draft: Draft, found: Mapping[int, Incident]) -> bool:
    """Whether this page still has a reason to be sent."""
    incident = found.get(draft.incident) if draft.incident is not None else None
    if incident is None:
        return draft.incident is None
    if draft.kind is Kind.PAGE:
        return incident.state is IncidentState.TRIGGERED and incident.generation == draft.generation
    if draft.kind is Kind.UPDATE:
        return incident.open
    return True


def _message(one: Claim, found: Mapping[int, Incident], facts: Mapping[int, list[Alert]], context: MessageContext) -> Message:
    number = one.draft.incident or 0
    return compose(one, found.get(number), facts.get(number, []), context, one.draft.due_at + LINK_LIFE)


def supersede(db: Connection, numbers: Sequence[int], now: datetime) -> None:
    """Take back what is queued for these incidents."""
    if numbers:
        store.supersede(db, numbers, now)


def queue_resolved(db: Connection, ended: Sequence[Incident], by: str | None, now: datetime) -> None:
    """Tell everybody who was told of these incidents once that they are over, but not the one who ended them."""
    numbers = [one.number for one in ended]
    if not numbers:
        return
    store.supersede(db, numbers, now)
    silent = {number for number, codes in alerts.end_codes(db, numbers).items() if codes == {Code.REMOVED}}
    loud = {one.number: one for one in ended if one.number not in silent}
    told = [page for page in _notified(db, loud) if by is None or page["user_name"] != by]
    put(db, [_follow_up(page, Kind.RESOLVED, loud[page["incident"]], "resolved", now) for page in told], now)


def _notified(db: Connection, found: Mapping[int, Incident]) -> list[Mapping[str, Any]]:
    """Who received of these incidents, or of one merged into them, since they were opened or opened again."""
    if not found:
        return []
    whole = incidents.merged(db, list(found))
    parts = incidents.by_numbers(db, list(whole))
    pages = []
    for page in store.of_incidents(db, list(whole)):
        part, heir = parts[page["incident"]], found[whole[page["incident"]]]
        if page["made_at"] >= max(part.since, heir.reopened_at or part.since):
            pages.append({**page, "incident": heir.number})
    return received(pages)


def queue_update(db: Connection, updated: Sequence[tuple[Incident, str]], now: datetime) -> None:
    """Tell everybody who was paged for these incidents what changed."""
    reasons = {incident.number: (incident, why) for incident, why in updated}
    drafts = []
    for page in _notified(db, {number: incident for number, (incident, _) in reasons.items()}):
        incident, why = reasons[page["incident"]]
        drafts.append(_follow_up(page, Kind.UPDATE, incident, f"update-{incident.alert_count}-{incident.severity}", now, why))
    put(db, drafts, now)


def received(pages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Per incident and person (or channel) the page that reached them best: the last one taken, an inbox only if alone."""
    best: dict[tuple[int, str], Mapping[str, Any]] = {}
    for page in pages:
        if page["state"] not in store.REACHED or page["kind"] not in (Kind.PAGE, Kind.UPDATE):
            continue
        who = (page["incident"], page["user_name"] or f"channel:{page['channel']}")
        if who not in best or page["channel"] != INBOX or best[who]["channel"] == INBOX:
            best[who] = page
    return list(best.values())


def _follow_up(page: Mapping[str, Any], kind: Kind, incident: Incident, what: str, now: datetime, because: str = "") -> Draft:
    who = page["user_name"] or "-"
    at = page["user_name"] or page["channel"]
    why = because or f"you were told of it over {page['channel']}"
    return Draft(
        f"{incident.number}:{incident.generation}:{what}:{at}", kind, incident.number, None, incident.generation,
        page["round"], page["step"], page["user_name"], page["contact"], page["channel"], page["to"], now,
        why if who != "-" else because or "it was told here",
    )  # fmt: skip


def test(db: Connection, login: str, now: datetime) -> list[int]:
    """Queue a test message to every contact of this person."""
    person = people.get(db, login)
    stamp = int(now.timestamp() * 1000)
    contacts = person.contacts if person else ()
    drafts = [_test(login, contact, f"test:{login}:{contact.name}:{stamp}", now) for contact in contacts]
    return put(db, drafts, now, TEST_LIFE)


def _test(login: str, contact: Contact, key: str, now: datetime) -> Draft:
    return Draft(
        key, Kind.TEST, None, None, 0, 0, None, login, contact.name, contact.channel, contact.to, now, "you asked for it"
    )  # fmt: skip
