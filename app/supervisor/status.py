"""What `tocsin status` says: from the state file, and from short questions that are given up together after two seconds."""

import asyncio
import json
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.identity import me
from app.settings import Settings
from app.supervisor import leftovers, plan, preflight, readiness, room, stack, state

if TYPE_CHECKING:
    from sqlalchemy import Connection

TIMEOUT = 2.0  # seconds for all questions; the answer must be there within three


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that gave signs of life, the last one `age` seconds ago."""

    name: str  # HOST:PID:START
    queues: tuple[str, ...]
    age: float
    alive: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The stack of one home, now. None: nobody could say."""

    ready: bool
    processes: tuple[state.Process, ...]
    queues: dict[str, int | None]
    oldest_overdue_seconds: float | None
    watcher: str  # ok | UNWATCHED
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    elsewhere: tuple[Worker, ...] = ()  # workers that are not processes of this stack, and those that are gone
    why_no_overdue: str = ""  # why nobody could say how long the oldest overdue job waits

    def as_json(self) -> str:
        """The public form."""
        rows = [
            {"name": row.name, "kind": row.kind, "pid": row.pid, "state": row.state, "restarts": row.restarts}
            for row in self.processes
        ]
        return json.dumps(
            {
                "ready": self.ready,
                "processes": rows,
                "queues": self.queues,
                "oldest_overdue_seconds": self.oldest_overdue_seconds,
                "oldest_overdue_unknown": self.why_no_overdue or None,
                "watcher": self.watcher,
                "missing": list(self.missing),
                "workers_elsewhere": [
                    {
                        "name": one.name,
                        "queues": list(one.queues),
                        "seen_seconds": round(one.age, 1),
                        "state": "running" if one.alive else "gone",
                    }
                    for one in self.elsewhere
                ],
            }
        )


def look(settings: Settings, timeout: float = TIMEOUT) -> Status:
    """Ask everybody at once. Never raises for what does not answer, never takes much longer than `timeout`.

    ready: the supervisor lives, everything was ready once, and the console says that the line works now.
    """
    alive = state.supervisor(settings.home) is not None
    found = state.load(settings.home)
    questions: dict[str, Callable[[], Any]] = {}
    if alive:
        questions["missing"] = lambda: _console(settings)
    if alive or not settings.embedded_broker:
        questions["queues"] = lambda: depths(settings.broker)
    if alive or not settings.embedded_database:
        from app.review import wellbeing  # noqa: F401 - loaded before the clock runs: on a busy machine that takes a while

        questions["database"] = lambda: _workers_and_missing(settings.database)
        questions["overdue"] = lambda: _overdue(settings.database)
    questions["room"] = lambda: room.missing(settings.home, settings.embedded_database)
    answers = _ask(questions, timeout)
    started = alive and found is not None and found.ready_after is not None
    serving, missing = answers.get("missing", (False, ()))
    database = answers.get("database", _Database())
    overdue = answers.get("overdue")
    known = missing or (found.missing if found and alive else ())
    return Status(
        ready=started and serving,
        processes=tuple(row if alive else _without_supervisor(row) for row in (found.processes if found else ())),
        queues=answers.get("queues", dict.fromkeys(stack.QUEUES)),
        oldest_overdue_seconds=overdue,
        watcher="ok" if settings.watcher_url else "UNWATCHED",
        missing=tuple(dict.fromkeys((*known, *database.missing, *answers.get("room", ())))),
        warnings=found.warnings if found else (),
        elsewhere=_elsewhere(database.workers, found.processes if found else ()),
        why_no_overdue=_why_unknown(questions, database, timeout) if overdue is None else "",
    )


def depths(broker: str) -> dict[str, int | None]:
    """Messages waiting in each queue; None for a queue that is not there yet on RabbitMQ."""
    url = urlsplit(broker)
    return _redis_depths(broker) if url.scheme.startswith(("redis", "rediss")) else _amqp_depths(broker)


def _redis_depths(broker: str) -> dict[str, int | None]:
    with preflight.redis_client(broker) as client, client.pipeline(transaction=False) as ask:
        for name in stack.QUEUES:
            ask.llen(name)
        return dict(zip(stack.QUEUES, ask.execute(), strict=True))


def _amqp_depths(broker: str) -> dict[str, int | None]:
    from kombu.connection import Connection

    found: dict[str, int | None] = dict.fromkeys(stack.QUEUES)
    with Connection(broker, connect_timeout=1, transport_options={"max_retries": 0}) as line:
        for name in stack.QUEUES:
            with line.channel() as channel:  # asking for a queue that is not there closes the channel
                try:
                    found[name] = channel.queue_declare(name, passive=True).message_count
                except line.channel_errors:
                    continue
    return found


@dataclass(frozen=True, slots=True)
class _Database:
    """What the database says, or why it says nothing."""

    workers: tuple[Worker, ...] = ()
    missing: tuple[str, ...] = ()


@contextmanager
def _session(url: str) -> "Iterator[Connection]":
    from app.db import connect

    engine = connect(url, size=1)
    try:
        with engine.connect() as line:
            yield line
    finally:
        engine.dispose()


def _overdue(url: str) -> float:
    """The one number to alarm on has a session of its own, so that it waits for no other question."""
    from app.metrics import oldest_overdue

    with _session(url) as line:
        return float(oldest_overdue(line))


def _workers_and_missing(url: str) -> _Database:
    from sqlalchemy.exc import SQLAlchemyError

    from app.review import wellbeing

    try:
        with _session(url) as line:
            missing = tuple(wellbeing.missing(line))
            if "migrations" in missing:
                return _Database(missing=missing)
            workers = tuple(Worker(one.name, one.queues, one.age, one.alive) for one in wellbeing.workers(line))
            return _Database(workers, missing)
    except SQLAlchemyError as error:
        return _Database(missing=tuple(wellbeing.why_away(error)))


def _why_unknown(questions: Container[str], database: _Database, timeout: float) -> str:
    if "overdue" not in questions:
        return "the stack is down"
    if "migrations" in database.missing:
        return "the database is not migrated"
    if "database" in database.missing:
        return "the database is unavailable"
    return f"the database did not respond within {timeout:g} s"


def _elsewhere(workers: Iterable[Worker], processes: Iterable[state.Process]) -> tuple[Worker, ...]:
    """Those that do not run in this stack. One of this machine that has just died, and is not missed, is no news."""
    ours = {row.pid for row in processes if row.pid}
    return tuple(one for one in workers if not one.alive or not _is_here(one.name, ours))


def _is_here(name: str, ours: Container[int]) -> bool:
    host, pid, *_ = (*name.split(":"), "", "")
    if host != me().partition(":")[0] or not pid.isdigit():
        return False
    return int(pid) in ours or leftovers.started(int(pid)) is None


def _console(settings: Settings) -> tuple[bool, tuple[str, ...]]:
    """Whether the console says that the line works, and what it misses."""
    return asyncio.run(readiness.console("web", _readyz(settings)))


def _readyz(settings: Settings) -> str:
    """Where the running stack's console is: its own plan knows, whatever port this shell's environment names."""
    try:
        specs = plan.load(settings.home / "run" / "plan.json").specs
    except (OSError, ValueError, KeyError, TypeError):
        return stack.readyz(settings)
    return next((spec.ready for spec in specs if spec.kind == "web" and spec.ready), stack.readyz(settings))


def _without_supervisor(row: state.Process) -> state.Process:
    lives = row.pid is not None and row.started is not None
    start = leftovers.started(row.pid) if lives and row.pid else None
    if start is not None and row.started is not None and abs(start - row.started) <= leftovers.SAME_START:
        return state.Process(row.name, row.kind, row.pid, "orphaned", row.restarts, row.started)
    return state.Process(row.name, row.kind, None, "stopped", row.restarts)


def _ask(questions: dict[str, Callable[[], Any]], timeout: float) -> dict[str, Any]:
    """The answers that came in time; a question that fails or hangs has none."""
    answers: dict[str, Any] = {}

    def ask(name: str, question: Callable[[], Any]) -> None:
        with suppress(Exception):  # whatever is wrong with it: `status` says what it knows
            answers[name] = question()

    threads = [Thread(target=ask, args=item, daemon=True) for item in questions.items()]
    for thread in threads:
        thread.start()
    deadline = monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    return dict(answers)
