"""Queues, claims and records pages; keeps or breaks promises. Works in the caller's transaction, never on the network."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.alerts import store as alerts
from app.alerts.model import Alert
from app.catalog import store as catalog
from app.catalog.model import Channel
from app.concurrency.deadline import awake
from app.db import wake
from app.escalation.request import PageRequest
from app.incidents import store as incidents
from app.incidents.model import Incident, IncidentState
from app.notify import store
from app.notify.addressee import gone
from app.notify.compose import SHOWN_ALERTS, MessageContext, compose
from app.notify.flight import FLIGHT, Flight
from app.notify.key import page_key
from app.notify.links import LIFE as LINK_LIFE
from app.notify.model import REACHED, Claim, Draft, Kind, Message, Page, PageState, hold_of
from app.people import store as people
from app.people.model import INBOX, Contact, Directory, Person
from app.people.reach import reach, rehold
from app.queues import Queue
from app.reason import Code, Reason, Reasons

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
    asked: float  # by `deadline.awake`: it was wanted then at the latest
    gone: Reason | None = None  # why it cannot be sent any more: its person or contact is not there


@dataclass(frozen=True, slots=True)
class Known:
    """What a transaction that leases pages has just read or written itself."""

    directory: Directory
    incidents: Mapping[int, Incident]  # by number: any of them, as they are by now


def queue(db: Connection, requests: Sequence[PageRequest], now: datetime, directory: Directory | None = None) -> list[int]:
    """Queue the pages that keep these promises; ids of the new ones. directory: as the caller knows it already."""
    if not requests:
        return []
    known = directory or people.directory(db, catalog.defaults(db).timezone)
    return put(db, drafts(requests, known, now), now)


def put(db: Connection, made: Sequence[Draft], now: datetime, life: timedelta = PAGE_LIFE) -> list[int]:
    """Queue these pages, and wake whoever sends; ids of the new ones."""
    queued = store.queue_all(db, made, now, life)
    if queued:
        wake(db, Queue.NOTIFY)
    return queued


def drafts(requests: Sequence[PageRequest], directory: Directory, now: datetime) -> list[Draft]:
    """The pages that keep these promises; one key may come twice, and is one page. Pure."""
    found: list[Draft] = []
    for request in requests:
        person = directory.people.get(request.user) if request.user else None
        if person is not None:
            for one in reach(person, request.urgency, now):
                contact, after = one.contact, int((one.at - now).total_seconds())
                draft = _draft(request, contact.name, contact.channel, after, one.at, one.reasons)
                found.append(replace(draft, contact=contact.name, to=contact.to))
        elif request.channel is not None:
            found.append(_draft(request, request.channel, request.channel, 0, now, ()))
    return found


def _draft(request: PageRequest, address: str, channel: str, after: int, at: datetime, reasons: Reasons) -> Draft:
    return Draft(
        key=page_key(request, address, after),
        kind=Kind.PAGE,
        incident=request.incident,
        obligation=request.obligation,
        breached=request.breached,
        generation=request.generation,
        round=request.round,
        step=request.step,
        user=request.user,
        channel=channel,
        due_at=at,
        reasons=(*request.reasons, *reasons),
    )


def claim(
    db: Connection,
    context: MessageContext,
    now: datetime,
    limit: int,
    flight: Flight = FLIGHT,
    *,
    late: bool = True,
    known: Known | None = None,
) -> list[Job]:
    """Lease what is due and compose it. Pages of incidents that need nobody any more are superseded instead.

    late: whether to look for leases that have run out, too.
    """
    asked = awake()
    if late:
        store.contest_late(db, now, now + WARNED)
    live: list[Claim] = []
    found: dict[int, Incident] = {}
    while not live and (claims := store.claim(db, now, LEASE, limit, flight)):
        found = _incidents(db, claims, known)
        stale = [one for one in claims if not wanted(one.draft, found)]
        _take_back(db, stale, now)
        live = [one for one in claims if wanted(one.draft, found)]
    if not live:
        return []
    facts: dict[int, list[Alert]] = defaultdict(list)
    for alert in alerts.shown(db, list(found), SHOWN_ALERTS):
        facts[alert.incident or 0].append(alert)
    channels = {**catalog.channels(db), INBOX: BUILT_IN}
    lost = _lost(db, live, known)
    return [
        Job(one, _message(one, found, facts, context), channels.get(one.draft.channel), asked, lost.get(one.id)) for one in live
    ]


def confirm(db: Connection, claims: Sequence[Claim], now: datetime) -> dict[int, Reason | None]:
    """Ask again, as `claim` does: those of these pages that are still ours and wanted. Their leases begin anew.

    A reason beside one says why it cannot be sent: whoever holds it writes that down.

    Whoever is just acknowledging one of the incidents is waited for.
    """
    numbers = sorted({one.draft.incident for one in claims if one.draft.incident is not None})
    incidents.hold(db, numbers)
    ours = store.renew(db, claims, now + LEASE)
    found = incidents.by_numbers(db, numbers)
    held = [replace(one, draft=replace(one.draft, generation=ours[one.id])) for one in claims if one.id in ours]
    stale = [one for one in held if not wanted(one.draft, found)]
    _take_back(db, stale, now)
    left = [one for one in held if one not in stale]
    lost = _lost(db, left)
    return {one.id: lost.get(one.id) for one in left}


def _people(db: Connection, drafts: Iterable[Draft]) -> Mapping[str, Person]:
    return people.by_logins(db, {one.user for one in drafts if one.user}, catalog.defaults(db).timezone)


def _incidents(db: Connection, claims: Sequence[Claim], known: Known | None) -> dict[int, Incident]:
    wanted = {one.draft.incident for one in claims if one.draft.incident is not None}
    found = {number: one for number, one in known.incidents.items() if number in wanted} if known else {}
    return found | (incidents.by_numbers(db, sorted(wanted - found.keys())) if wanted - found.keys() else {})


def _lost(db: Connection, claims: Sequence[Claim], known: Known | None = None) -> dict[int, Reason]:
    people = known.directory.people if known else _people(db, [one.draft for one in claims])
    return _unreachable(people, {one.id: one.draft for one in claims})


def _unreachable(known: Mapping[str, Person], drafts: Mapping[int, Draft]) -> dict[int, Reason]:
    """Which of these pages cannot be sent to their people any more, and why."""
    found = {id_: gone(one, known.get(one.user or "")) for id_, one in drafts.items()}
    return {id_: why for id_, why in found.items() if why is not None}


def recheck(db: Connection, now: datetime, login: str | None = None) -> None:
    """People, or this person, may have changed.

    What is queued for somebody who cannot be reached so any more is withdrawn now; what quiet hours hold follows them.
    """
    waiting = store.waiting(db, login)
    known = _people(db, waiting.values())
    lost = sorted(_unreachable(known, waiting))
    held = {id_: page for id_, page in waiting.items() if page.due_at > now and hold_of(page.reasons) and page.user in known}
    moved = {id_: rehold(known[page.user or ""], page.due_at, page.reasons, now) for id_, page in held.items()}
    if lost or any(moved.values()):
        store.make_due(db, lost, now)
        store.move(db, {id_: when for id_, when in moved.items() if when})
        wake(db, Queue.NOTIFY)


def _take_back(db: Connection, stale: Sequence[Claim], now: datetime) -> None:
    if stale:
        store.end_claims(db, stale, PageState.SUPERSEDED, now)
        follow_up(db, [one.draft for one in stale], now)


def follow_up(db: Connection, ended: Sequence[Draft], now: datetime) -> None:
    """Pages that were on their way when their incident was resolved, or the one it was merged into: now the end follows."""
    numbers = sorted({one.incident for one in ended if one.incident is not None and one.kind in (Kind.PAGE, Kind.UPDATE)})
    targets = sorted(set(incidents.merge_targets(db, numbers).values())) if numbers else []
    for one in incidents.by_numbers(db, targets).values() if targets else ():
        if not one.open:
            _queue_ends(db, [one], one.resolved_by, now)


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
    """Notify everybody who was notified of these incidents once that they are resolved, but not the one who resolved them."""
    if ended:
        store.supersede(db, [one.number for one in ended], now)
        _queue_ends(db, ended, by, now)


def _queue_ends(db: Connection, ended: Sequence[Incident], by: str | None, now: datetime) -> None:
    """The same, with nothing taken back: whoever claims a page holds it, and two of them would wait for each other's."""
    numbers = [one.number for one in ended]
    silent = {number for number, codes in alerts.end_codes(db, numbers).items() if codes == {Code.REMOVED}}
    loud = {one.number: one for one in ended if one.number not in silent}
    notified = [page for page in _notified(db, loud) if by is None or page.user != by]
    put(db, [notice(page, Kind.RESOLVED, loud[page.incident or 0], "resolved", now) for page in notified], now)


def _notified(db: Connection, found: Mapping[int, Incident], *, coming: bool = False) -> list[Page]:
    """The page that reached each who was notified of these incidents, or of one merged into them, since they opened."""
    if not found:
        return []
    whole = incidents.merged(db, list(found))
    parts = incidents.by_numbers(db, list(whole))
    pages = []
    for page in store.of_incidents(db, list(whole)):
        number = page.incident or 0
        part, target = parts[number], found[whole[number]]
        if page.made_at >= max(part.since, target.reopened_at or part.since):
            pages.append(replace(page, incident=target.number))
    return received(pages, coming=coming)


def queue_update(db: Connection, updated: Sequence[tuple[Incident, Reason]], now: datetime) -> None:
    """Notify everybody who was paged for these incidents of what changed."""
    changed = {incident.number: (incident, why) for incident, why in updated}
    drafts = []
    for page in _notified(db, {number: incident for number, (incident, _) in changed.items()}, coming=True):
        incident, why = changed[page.incident or 0]
        drafts.append(notice(page, Kind.UPDATE, incident, f"update-{incident.alert_count}-{incident.severity}", now, why))
    put(db, drafts, now)


def received(pages: Sequence[Page], *, coming: bool = False) -> list[Page]:
    """Per incident and person (or channel) the page that reached them best: the last one accepted, an inbox only if alone.

    Who has read it in the inbox at most, while another page to them is on its way, waits for how that ends. coming: they have
    that page instead: it was written before what is to be said now, and nothing else will say it there.
    """
    best: dict[tuple[int | None, str], Page] = {}
    on_its_way: dict[tuple[int | None, str], Page] = {}
    for page in pages:
        who = (page.incident, page.user or f"channel:{page.channel}")
        if page.kind not in (Kind.PAGE, Kind.UPDATE):
            continue
        if page.state is PageState.SENDING and page.channel != INBOX:
            on_its_way[who] = page
        elif page.state in REACHED and (who not in best or page.channel != INBOX or best[who].channel == INBOX):
            best[who] = page
    well = {who: page for who, page in best.items() if page.channel != INBOX}
    if coming:
        return list({**best, **on_its_way, **well}.values())
    return [page for who, page in best.items() if who in well or who not in on_its_way]


def notice(page: Page, kind: Kind, incident: Incident, what: str, now: datetime, why: Reason | None = None) -> Draft:
    """What goes where a page was accepted before."""
    usual = Reason(Code.NOTIFIED_OVER, {"channel": page.channel}) if page.user else Reason(Code.NOTIFIED_HERE)
    return Draft(
        key=f"{incident.number}:{incident.generation}:{what}:{page.user or page.channel}",
        kind=kind,
        incident=incident.number,
        generation=incident.generation,
        round=page.round,
        step=page.step,
        user=page.user,
        contact=page.contact,
        channel=page.channel,
        to=page.to,
        due_at=now,
        reasons=(why or usual,),
    )


def test(db: Connection, login: str, now: datetime) -> list[int]:
    """Queue a test message to every contact of this person."""
    person = people.get(db, login)
    stamp = int(now.timestamp() * 1000)
    contacts = person.contacts if person else ()
    drafts = [_test(login, contact, f"test:{login}:{contact.name}:{stamp}", now) for contact in contacts]
    return put(db, drafts, now, TEST_LIFE)


def _test(login: str, contact: Contact, key: str, now: datetime) -> Draft:
    return Draft(
        key=key,
        kind=Kind.TEST,
        user=login,
        contact=contact.name,
        channel=contact.channel,
        to=contact.to,
        due_at=now,
        reasons=(Reason(Code.TEST_ASKED),),
    )
