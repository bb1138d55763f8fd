"""The line: evaluate -> dedup -> escalate -> notify. One function a stage, one short transaction each.

Every function takes what is due in the database, whoever calls it and however often: two callers share the work, none repeats
it. `now` is the database's time unless a story or a drill acts as of another. Each returns how much it looked at, and wakes the
stage that has work because of it when it commits; a wake that is lost changes nothing but seconds.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app import beats, clock, uptime
from app.actions.heartbeat import make
from app.alerts import service as alerts
from app.alerts import store as alert_store
from app.checks import service as checks
from app.checks import store as check_store
from app.checks.heartbeats import service as heartbeats
from app.checks.heartbeats import store as heartbeat_store
from app.checks.heartbeats.model import PingRequest
from app.checks.heartbeats.service import Received
from app.checks.service import Batch
from app.concurrency.apart import each
from app.concurrency.loop import begin
from app.concurrency.pace import Pace
from app.db import end_frozen, let_sleep, limit_lock_wait, refresh, transaction, wake
from app.deliver import PAGES, claim_pages, lease, send
from app.downtime import NEVER_RAN
from app.errors import Busy, Unavailable
from app.escalation import service as escalation
from app.escalation import store as escalation_store
from app.escalation.service import Advance
from app.incidents import service as incidents
from app.incidents import store as incident_store
from app.incidents.changeover import change_due
from app.incidents.model import Incident
from app.log import get
from app.notify import service as pages
from app.notify import store as page_store
from app.notify.flight import FLIGHT
from app.notify.service import Job, Known
from app.priority import FEW
from app.queues import Queue
from app.rules import heartbeats as expected
from app.rules import prober
from app.rules import service as rules
from app.rules import store as rule_store
from app.signals import service as inbox
from app.signals.model import Call, Integration
from app.signals.recall import Remembered

LIMIT = 500  # rows a stage takes at once
PACES = {Queue.DEDUP: Pace(), Queue.ESCALATION: Pace()}  # of those that have a lower limit, unless they are urgent
BROKEN = timedelta(seconds=5)  # what cannot be placed, or whose step cannot be taken, is tried again then
HELD = timedelta(seconds=2)  # an alert whose incident somebody holds is looked at again then
ARM = 6.0  # seconds; what falls due within this is armed to the moment: a sweep comes every 5 s
ARMED_WITHIN = 60.0  # seconds; a step due within this is armed as soon as it is planned
FREE = 10  # ticks of a pager or a web process between two looks for frozen sessions
LONGEST = 20.0  # seconds a caller of `notify` waits: a Celery task may take 50

Send = Callable[[Sequence[Job]], object]  # begins to send what was leased; must not wait

log = get(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of calls: what their alerts were made of beside them, and the digest of each open one, by fingerprint."""

    as_of: Hashable
    contents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sending:
    """Pages that are being sent."""

    count: int
    done: Future[None]  # when each outcome is written down


def intake(calls: Sequence[Call], now: datetime | None = None) -> Taken:
    """Take what sources send: the calls and their alerts are committed when this returns."""
    with transaction(now) as db:
        return take(db, calls, now or clock.now(db))


def take(db: Connection, calls: Sequence[Call], at: datetime) -> Taken:
    """The same in the caller's transaction."""
    signals = [signal for call in calls for signal in call.signals]
    inbox.keep(db, calls, at)
    alerts.take_turn(db, signals)
    return Taken(alerts.as_of(db, at), alerts.accept(db, signals, at))


def take_again(db: Connection, calls: Sequence[Remembered], at: datetime) -> list[tuple[str, ...] | None]:
    """Take calls that were taken before: the traces of their alerts where all are still as they were sent, else None."""
    as_of = alerts.as_of(db, at)
    current = [call if call.as_of == as_of else None for call in calls]
    traces = alerts.see(db, {one.fingerprint: one.content for call in current if call for one in call.alerts}, at)
    found = [[traces.get(one.fingerprint) for one in call.alerts] if call else [None] for call in current]
    return [None if None in one else tuple(trace for trace in one if trace is not None) for one in found]


def ping(call: PingRequest, made_by: Integration | None = None, now: datetime | None = None) -> Received | None:
    """Take a heartbeat's ping: committed when this returns; None when it is nobody's. `made_by`: make the heartbeat then."""
    with transaction(now) as db:
        received = heartbeats.receive(db, call, now)
        if received is None and made_by is not None:
            received = make(db, call, made_by, now or clock.now(db))
        if received is not None and received.urgent:
            wake(db, Queue.EVALUATE)
    return received


def pings(calls: Sequence[PingRequest]) -> list[Received | None]:
    """Take pings together: committed when this returns; None for each that `ping` must take by itself, or is nobody's."""
    with transaction() as db:
        received = heartbeats.receive_all(db, calls)
        if any(one.urgent for one in received if one):
            wake(db, Queue.EVALUATE)
    return received


def tick(part: str = uptime.CHECKS) -> None:
    """Say that a part of this stack runs, so that downtime is known as such; see to what a clock that was set back leaves."""
    with transaction() as db:
        found = uptime.tick(db, part)
        if found.set_back and part == uptime.CHECKS:  # every part notices, one sees to the rows: they move back once
            log.warning("clock_set_back", seconds=round(found.set_back.total_seconds(), 1))
            _clock_set_back(db, found.set_back, clock.now(db))
        elif (away := found.downtime) and away.began > NEVER_RAN:
            log.warning(
                "downtime_detected", part=part, since=away.began.isoformat(), seconds=round(away.length.total_seconds(), 1)
            )


def _clock_set_back(db: Connection, by: timedelta, now: datetime) -> None:
    """Bring what waits for an instant of the old clock to the new one: every stage knows what of its rows that is."""
    for store in (check_store, heartbeat_store, rule_store, alert_store, incident_store, escalation_store, page_store):
        store.clock_set_back(db, by, now)
    beats.clock_set_back(db, now)


def free_frozen() -> None:
    """Free the rows that stopped processes hold: others do what these were about to do, as if they had been killed."""
    with transaction() as db:
        if count := end_frozen(db):
            log.warning("frozen_sessions_ended", count=count)


def dispatch(families: Sequence[str], now: datetime | None = None) -> list[Batch]:
    """Claim the checks of these families that are due within a second, in batches of one probe."""
    with transaction() as db:
        at = now or clock.now(db)
        if now or uptime.runs(db, uptime.CHECKS, at):
            return checks.dispatch(db, families, at)
    tick()
    with transaction() as db:
        return checks.dispatch(db, families, clock.now(db))


def evaluate(now: datetime | None = None) -> int:
    """Judge what is new by every rule, every heartbeat and the prober's own network, and turn the verdicts into alerts."""
    if now is None:
        tick()  # before it judges: after a pause, what it sees is old
    with transaction(now) as db:
        at = now or clock.now(db)
        signals, seen = rules.evaluate(db, at, LIMIT)
        alerts.accept(db, signals, at)
        if seen >= LIMIT:
            wake(db, Queue.EVALUATE)
    return max(seen, _expect(now))


def _expect(now: datetime | None) -> int:
    """Judge what is expected, in a transaction of its own: an error here does not undo what the rules found."""
    with transaction(now) as db:
        at = now or clock.now(db)
        signals, seen = expected.evaluate(db, at, LIMIT)
        alerts.accept(db, [*signals, *prober.evaluate(db)], at)
        if seen:
            refresh(db, "checks")
        if seen >= LIMIT:
            wake(db, Queue.EVALUATE)
    return seen


def look_for_workers(now: datetime | None = None) -> None:
    """One alert for each location whose worker is gone, instead of one for each of its checks; its end when it is back."""
    with transaction(now) as db:
        at = now or clock.now(db)
        alerts.accept(db, prober.workers(db, at), at)


def dedup(now: datetime | None = None, *, step: bool = True, send: Send | None = None) -> int:
    """Collapse alerts into incidents, start their policies, and end the incidents whose alerts are over.

    step: take the first step of the policies that start, where they are few: nobody waits for a wake then.
    send: lease the pages of these steps, too, in the same transaction, and give them to it.
    """
    try:
        seen = _dedup(now, step=step, send=send)
    except Busy as error:
        log.warning("incident_locked", error=str(error))
        seen = _change_urgency(now) + _dedup_apart(now)
    except Unavailable:
        raise
    except Exception as error:  # it may be one of them, or its step; that must keep no other alert from its incident
        log.exception("dedup_failed", then="places each alert by itself")
        seen = _dedup_apart(now, error)
    return seen


def _change_urgency(now: datetime | None) -> int:
    with transaction(now) as db:
        changed = change_due(db, now or clock.now(db), LIMIT)
        if changed:
            refresh(db, "incidents")
    return len(changed)


def _dedup_apart(now: datetime | None, why: Exception | None = None) -> int:
    """Each alert by itself, so that none waits for another's incident, which somebody holds, nor for one that cannot be placed.

    why: what is wrong with one of them; raised where it is not an alert, or is every one.
    """
    with transaction(now) as db:
        waiting = alert_store.changed(db, now or clock.now(db), LIMIT)
    apart = each(waiting, lambda id_: _dedup(now, [id_], step=False))
    for id_, error in apart.broken.items():
        log.error("alert_not_placed", alert=id_, error=repr(error))
    with transaction(now) as db:
        at = now or clock.now(db)
        alert_store.postpone(db, apart.held, at + HELD)
        alert_store.postpone(db, [*apart.broken], at + BROKEN)
        if apart.held:
            wake(db, Queue.DEDUP, HELD.total_seconds())
    if why is not None and len(apart.broken) == len(waiting):
        raise why
    return apart.seen


def _dedup(now: datetime | None, only: Sequence[int] | None = None, *, step: bool, send: Send | None = None) -> int:
    with ExitStack() as door:
        seen, jobs = _place(now, only, door if send is not None else None, step=step)
        FLIGHT.took(job.claim for job in jobs)
    if jobs and send is not None:
        try:
            send(jobs)
        except BaseException:
            FLIGHT.landed(job.claim.id for job in jobs)  # their leases run out, and they are taken again
            raise
    return seen


def _place(now: datetime | None, only: Sequence[int] | None, door: ExitStack | None, *, step: bool) -> tuple[int, list[Job]]:
    """How much was looked at, and what was leased. door: None leases nothing; it takes what must be kept until FLIGHT knows."""
    jobs: list[Job] = []
    with PACES[Queue.DEDUP].watch() as counts, transaction(now) as db:
        if only is not None:
            limit_lock_wait(db)
        at = now or clock.now(db)
        # Where hours began or ended first, so that an alert that comes then is no rise of urgency.
        waiting = incident_store.waiting(db, at)
        changed = change_due(db, at, LIMIT) if waiting.hours and only is None else ()
        placed = incidents.place(db, at, PACES[Queue.DEDUP].rows, only)
        counts.append(placed.seen)
        few = step and placed.seen <= FEW
        if not few:
            escalation.begin(db, placed.started, at)
        pages.supersede(db, [one.number for one in placed.restarted], at)
        pages.queue_update(db, placed.updated, at)
        ending = (waiting.ending and only is None) or placed.over(at)
        ended = incidents.end_due(db, at, LIMIT) if ending else []
        escalation.stop_ended(db, ended, at)
        pages.queue_resolved(db, ended, None, at)
        if few:
            over = {one.number for one in ended}
            started = [one for one in placed.started if one.number not in over]
            jobs = _step(db, started, bool(placed.updated or ended), at, door)
        titled = incident_store.retitle(db, LIMIT) if waiting.titles and only is None else ()
        seen = len(changed) + placed.seen + len(ended) + len(titled)
        if seen:
            refresh(db, "incidents")
        if placed.seen > FEW:  # there may be more: it took what matters first, or as much as it gets done in a moment
            wake(db, Queue.DEDUP)
    return seen, jobs


def _step(db: Connection, started: Sequence[Incident], others: bool, at: datetime, door: ExitStack | None) -> list[Job]:
    """Take the first step of these policies; the pages that are leased. others: somebody else is told something, too."""
    first = escalation.start(db, started, at)
    queued = _take(db, first, at)
    if not (queued and first.directory and door is not None and door.enter_context(FLIGHT.door(wait=False))):
        return []
    jobs = lease(db, at, known=Known(first.directory, {one.number: one for one in started}))
    if not others and len(jobs) < PAGES and {job.claim.id for job in jobs}.issuperset(queued):
        let_sleep(db, Queue.NOTIFY)
    return jobs


def escalate(now: datetime | None = None) -> int:
    """Take every step that is due: promise, then queue the pages that keep the promise."""
    try:
        return _escalate(now)
    except Unavailable:
        raise
    except Exception as error:  # it may be one of them; that must keep no other from being paged
        log.exception("escalation_failed", then="takes each step by itself")
        return _escalate_apart(now, error)


def _escalate_apart(now: datetime | None, why: Exception) -> int:
    """Raises what is wrong where it is wrong with every step."""
    with transaction(now) as db:
        due = escalation_store.due(db, now or clock.now(db), LIMIT)
    apart = each(due, lambda number: _escalate(now, number))
    for number, error in apart.broken.items():
        log.error("step_not_taken", incident=number, error=repr(error))
    with transaction(now) as db:  # one that somebody holds stays due
        escalation_store.postpone(db, [*apart.broken], (now or clock.now(db)) + BROKEN)
    if len(apart.broken) == len(due):
        raise why
    return apart.seen


def _escalate(now: datetime | None, only: int | None = None) -> int:
    pace = PACES[Queue.ESCALATION]
    with pace.watch() as counts, transaction(now) as db:
        at = now or clock.now(db)
        advance = escalation.advance(db, at, pace.rows, only)
        counts.append(advance.seen)
        _take(db, advance, at)
        if advance.seen:
            refresh(db, "incidents")
        if advance.seen > FEW:  # there may be more, as in dedup
            wake(db, Queue.ESCALATION)
    return advance.seen


def _take(db: Connection, advance: Advance, at: datetime) -> list[int]:
    """Queue the pages of steps, whose ids it returns, and arm the next steps."""
    queued = pages.queue(db, advance.requests, at, advance.directory)
    for seconds in {(due - at).total_seconds() for _, due in advance.due}:
        if seconds <= ARMED_WITHIN:
            wake(db, Queue.ESCALATION, max(seconds, 0.0))
    return queued


def arm() -> None:
    """Wake what falls due before the next sweep: the first to the moment, others that may follow it to the second."""
    with transaction() as db:
        now = clock.now(db)
        due = {Queue.ESCALATION: escalation_store.next_due(db), Queue.NOTIFY: page_store.next_due(db)}
        for stage, when in due.items():
            first = max((when - now).total_seconds(), 0.0) if when is not None else ARM
            for second in range(math.ceil(ARM - first)):
                wake(db, stage, first + second)


def notify(now: datetime | None = None, limit: int = PAGES) -> int:
    """Send what is due; how much. What takes long goes on beside."""
    sending = begin_sending(now, limit)
    if sending is None:
        return 0
    with suppress(TimeoutError):
        sending.done.result(LONGEST if now is None else None)
    with transaction(now) as db:  # there may be more: now its channel has room again
        wake(db, Queue.NOTIFY)
    return sending.count


def begin_sending(now: datetime | None = None, limit: int = PAGES) -> Sending | None:
    """Lease what is due and send it on this process's loop, without waiting; None when nothing is due, or nothing may leave.

    `notify` waits for it. The pager does not: a slow provider must not keep it from what is due meanwhile.
    """
    jobs = claim_pages(limit, now)
    return send_leased(jobs, now) if jobs else None


def send_leased(jobs: Sequence[Job], now: datetime | None = None) -> Sending:
    """Send what this process has leased on its loop, without waiting."""
    return Sending(len(jobs), begin(send(jobs, now)))
