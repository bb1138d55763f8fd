"""The pager: a plain loop over the line, without Celery and Redis. Any number may run, beside Celery or alone.

1. LISTEN for "something changed"; otherwise look every second, or when the next step or page falls due.
2. Decide: evaluate, dedup, escalate, from the stage on that was woken, until nothing is left; all of it once a second.
3. A second thread leases due pages and sends them, many at once, so that a slow provider holds up no decision.
4. A third runs the checks that nobody has claimed in time.
5. A fourth says that this stack runs: while nobody does, nobody's silence counts.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

import psycopg

from app import beats, clock, deliver, line, log, measure, uptime
from app.db import hint_by, transaction
from app.errors import Unavailable
from app.escalation import store as escalations
from app.identity import me
from app.notify import store as pages
from app.notify.flight import FLIGHT
from app.notify.service import Job
from app.priority import FEW
from app.queues import Queue
from app.settings import settings

POLL = 1.0  # seconds between two looks when nobody calls
BREATH = 0.02  # seconds from the beginning of one round of decisions to the next
ROOM = 0.05  # seconds between two looks while a channel is full
LANDING = 10.0  # seconds that what is under way may take when the pager ends
STUCK = 60.0  # seconds without a decision, though the database answers, after which the pager starts over
PROBERS = 4  # batches of overdue checks at once

# The stages that decide, in the order of the line.
DECIDING = {Queue.EVALUATE: line.evaluate, Queue.DEDUP: line.dedup, Queue.ESCALATION: line.escalate}

logger = log.get(__name__)


def run_until_idle(now: datetime | None = None) -> int:
    """Once through the whole line until nothing is due at `now`; how much was done. Stories call this."""
    done = 0
    while seen := decide(now) + line.notify(now):
        done += seen
    return done


def decide(now: datetime | None = None, first: Queue = Queue.EVALUATE, send: line.Send | None = None) -> int:
    """Through the stages that decide, from the `first` on: how much was looked at. One that breaks keeps no other from work.

    send: takes the pages of few alerts, which were leased with their incidents.
    """
    done, broken = 0, None
    stages = DECIDING | {Queue.DEDUP: partial(line.dedup, send=send)}
    for name in [*DECIDING][[*DECIDING].index(first) :]:
        try:
            done += stages[name](now=now)
        except (Unavailable, psycopg.OperationalError):
            raise
        except Exception as error:
            logger.exception("stage_failed", stage=name.value)
            broken = error
    if broken is not None:
        raise broken
    return done


class Pager:
    """The process's threads and how they wake each other."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.pages_due = threading.Event()
        self.orphans_checked = -POLL  # when it last looked for senders that have ended (time.monotonic)
        self.ticks = count()
        self.probing = threading.Semaphore(PROBERS)
        self.decided = time.monotonic()  # when it could decide last
        self.failed = False  # it ends because it can decide no more
        self.reported = -POLL  # when it last said that it lives (time.monotonic)

    def run(self) -> None:
        """Run until `stop`."""
        hint_by(self._hint)
        threads = [
            threading.Thread(target=self._forever, args=(work,), daemon=True) for work in (self._send, self._probe, self._tick)
        ]
        for thread in threads:
            thread.start()
        self._forever(self._decide)
        for thread in threads:
            thread.join(timeout=10)
        end = time.monotonic() + LANDING
        while FLIGHT.ids and time.monotonic() < end:  # what a provider has taken is written down: it need not be sent again
            time.sleep(0.05)

    def _hint(self, stage: Queue, seconds: float, as_of: datetime | None) -> None:  # noqa: ARG002 - it is now
        """A transaction of this process has queued pages."""
        if stage is Queue.NOTIFY and not seconds:
            self.pages_due.set()

    def stop(self, *_: Any) -> None:
        """End after what is under way."""
        self.stopping.set()
        self.pages_due.set()

    def _forever(self, work: Any) -> None:
        while not self.stopping.is_set():
            try:
                work()
                continue
            except (Unavailable, psycopg.OperationalError) as error:
                logger.warning("database_unavailable", work=work.__name__, error=str(error))
                self.stopping.wait(0.3)
            except Exception:
                logger.exception("pager_error", work=work.__name__)
                self.stopping.wait(POLL)
            if work == self._decide:
                self._start_anew_if_stuck()

    def _start_anew_if_stuck(self) -> None:
        stuck = time.monotonic() - self.decided
        if stuck > STUCK and _answers():
            logger.error("pager_stuck", seconds=round(stuck), then="starts over")
            self.failed = True
            self.stop()

    def _decide(self) -> None:
        with psycopg.connect(settings().libpq, autocommit=True, connect_timeout=3, client_encoding="utf8") as listener:
            listener.execute("listen line")
            first, all_at, busy = Queue.EVALUATE, 0.0, 0
            while not self.stopping.is_set():
                if first is Queue.EVALUATE:
                    all_at = time.monotonic() + POLL
                    self.pages_due.set()
                began = time.monotonic()
                done = decide(first=first, send=self._begin)
                self.decided = time.monotonic()
                self._heartbeat()
                busy = busy + 1 if done > FEW else 0
                if busy > 2:  # a round has a price, however little there is: in a storm the next one has more to look at
                    self.stopping.wait(max(began + BREATH - time.monotonic(), 0))
                woken = _woken(listener)
                if busy:  # there may be more
                    woken.add(Queue.DEDUP)
                woken = woken or _woken(listener, _until(escalations.next_due))
                if Queue.NOTIFY in woken:
                    self.pages_due.set()
                late = not woken or time.monotonic() > all_at
                first = Queue.EVALUATE if late else next((one for one in DECIDING if one in woken), Queue.ESCALATION)

    def _heartbeat(self) -> None:
        """Say that this loop turns and can decide, once a second."""
        if time.monotonic() - self.reported >= POLL:
            self.reported = time.monotonic()
            with transaction() as db:
                beats.touch(db, "pager")

    def _send(self) -> None:
        self.pages_due.wait(_until(pages.next_due))
        self.pages_due.clear()
        if time.monotonic() - self.orphans_checked >= POLL:
            self.orphans_checked = time.monotonic()
            deliver.free_orphans()
        took = 0
        while sending := line.begin_sending():
            took += sending.count
            sending.done.add_done_callback(self._sent)
        if not took and FLIGHT.ids:  # what is due may have to wait for room in its channel
            self.pages_due.wait(ROOM)

    def _begin(self, jobs: Sequence[Job]) -> None:
        line.send_leased(jobs).done.add_done_callback(self._sent)

    def _sent(self, done: "Future[Any]") -> None:
        self.pages_due.set()
        if done.exception() is not None:  # the leases run out, and the pages are taken again
            logger.error("send_failed", error=repr(done.exception()))

    def _tick(self) -> None:
        line.tick()
        if next(self.ticks) % line.FREE == 0:
            line.free_frozen()
        self.stopping.wait(uptime.EVERY)

    def _probe(self) -> None:
        self.stopping.wait(POLL)
        if self.probing.acquire(blocking=False):
            threading.Thread(target=self._probe_once, daemon=True).start()

    def _probe_once(self) -> None:
        try:
            measure.check_overdue()
        except Unavailable as error:
            logger.warning("database_unavailable", work="check_overdue", error=str(error))
        finally:
            self.probing.release()


def _woken(listener: psycopg.Connection[Any], seconds: float = 0) -> set[str]:
    """The stages that somebody has woken, or wakes in the next so many seconds. What `decide` just said itself is no news."""
    ours = {f"{stage}:{me()}" for stage in (Queue.DEDUP, Queue.ESCALATION, Queue.NOTIFY)}
    end, woken = time.monotonic() + seconds, set[str]()
    while True:
        said = listener.notifies(timeout=max(end - time.monotonic(), 0), stop_after=1 if seconds else None)
        woken |= {one.payload.partition(":")[0] for one in said if one.payload not in ours}
        if woken or time.monotonic() >= end:
            return woken


def _answers() -> bool:
    """Whether a new session may write: then it is not the database that keeps us from deciding."""
    try:
        with psycopg.connect(settings().libpq, connect_timeout=3, target_session_attrs="read-write") as session:
            return session.execute("select 1").fetchone() is not None
    except psycopg.Error:
        return False


def _until(next_due: Any) -> float:
    """Seconds to wait: until something falls due, at most POLL."""
    with transaction() as db:
        due, now = next_due(db), clock.now(db)
    return POLL if due is None else min(max((due - now).total_seconds(), 0.0), POLL)


def main() -> None:
    """Run the pager until SIGTERM or SIGINT."""
    import signal

    log.setup("pager")
    pager = Pager()
    signal.signal(signal.SIGTERM, pager.stop)
    signal.signal(signal.SIGINT, pager.stop)
    began = time.monotonic()
    logger.info("pager_started")
    pager.run()
    beats.leave("pager")
    logger.info("pager_stopped", seconds=round(time.monotonic() - began))
    if pager.failed:
        raise SystemExit(1)  # whoever keeps it starts it again, with connections of its own
