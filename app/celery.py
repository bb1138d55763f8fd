"""The Celery app: queues, settings with their reasons, and hints sent after a commit."""

import gc
import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from celery import Celery, bootsteps
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

from app import beats, db, log, plugins, queues, uptime
from app.errors import Invalid, TocsinError, Unavailable
from app.hints import Hints
from app.settings import settings
from beat_schedule import beat_schedule

VISIBILITY = 120  # seconds; a message not acknowledged for so long is delivered again
LONGEST_COUNTDOWN = 60  # seconds; what is due later waits as a row

logger = log.get(__name__)
F = TypeVar("F", bound=Callable[..., Any])


def _queue(name: str) -> Queue:
    exchange: Callable[..., Any] = Exchange
    queue: Callable[..., Queue] = Queue
    return queue(name, exchange(name, type="direct"), routing_key=name)


def _broker() -> str:
    """The broker's URL. The `celery` program shows tracebacks of what its app raises, so there a wrong setting ends it here."""
    try:
        return settings().broker
    except TocsinError as error:
        if Path(sys.argv[0]).name != "celery":
            raise
        raise SystemExit(f"tocsin: {error}") from None


app = Celery("tocsin", broker=_broker(), include=["tasks.line", "tasks.probes", "tasks.sweeps", "tasks.upkeep"])
app.conf.update(
    # Truth is in PostgreSQL: no results, and a message that comes twice or never changes nothing but seconds.
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,  # a killed pool child gives its message back at once
    worker_prefetch_multiplier=1,
    task_time_limit=55,  # < VISIBILITY / 2, so that no message is delivered again beside its first run
    task_soft_time_limit=50,
    worker_max_tasks_per_child=5000,
    worker_soft_shutdown_timeout=5,
    worker_enable_soft_shutdown_on_idle=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_eta_task_limit=1000,
    worker_send_task_events=False,
    # Ids only, JSON only.
    task_serializer="json",
    result_serializer="json",
    event_serializer="json",
    accept_content=["json"],
    timezone="UTC",  # crontabs in a zone are silent for an hour at the autumn change; local time is ours to compute
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=2,
    broker_transport_options={
        "visibility_timeout": VISIBILITY,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
    if settings().broker.startswith(("redis", "rediss", "sentinel", "unix"))
    else {},
    task_publish_retry=False,
    # The first word of a task's name is its queue.
    task_routes=[{f"{name}.*": {"queue": str(name)} for name in queues.ALL}],
    task_queues=[_queue(str(name)) for name in queues.ALL],
    task_default_queue=str(queues.Queue.UPKEEP),
    task_create_missing_queues=True,  # FAMILY@LOCATION
    beat_schedule=beat_schedule,
    beat_max_loop_interval=1,
    beat_scheduler="app.scheduler:Scheduler",
)


def task(name: str, *, bind: bool = False) -> Callable[[F], F]:
    """Register a function as the Celery task QUEUE.WHAT; the function itself stays callable."""

    def register(function: F) -> F:
        app.task(function, name=name, bind=bind, throws=(Unavailable,))  # a database that is away is a line, not a traceback
        return function

    return register


def hint(
    task: str,
    args: Sequence[Any] = (),
    *,
    queue: str | None = None,
    countdown: float = 0,
    expires: float = 60,
    task_id: str | None = None,
) -> bool:
    """Say "look now" to a worker, after the commit; whether the broker took it. Never raises for a broker that is away."""
    wait = min(countdown, LONGEST_COUNTDOWN) or None
    try:
        app.send_task(task, args=list(args), queue=queue, countdown=wait, expires=expires + countdown, task_id=task_id)
    except (OperationalError, OSError, TimeoutError) as error:
        logger.warning("hint_lost", task=task, error=str(error))
        return False
    return True


_hints = Hints(lambda stage: hint(stage.task))


def hint_after_commit(stage: queues.Queue, seconds: float, as_of: datetime | None) -> None:
    """What a transaction of this process wakes is hinted at: later with a countdown, in a story with its instant."""
    if not seconds and as_of is None:
        _hints.add(stage)
    elif seconds <= LONGEST_COUNTDOWN and not (seconds and as_of):  # later it waits as a row until a sweep arms it
        hint(stage.task, [as_of.isoformat()] if as_of else [], countdown=seconds)


def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """When it was sent, so that the age of a backlog can be read from the queue."""
    if headers is not None:
        headers["sent_at"] = time.time()


def _logging(loglevel: int | str | None = None, **_: Any) -> None:
    """Our own events from INFO on; Celery's as it was asked to."""
    process = next((word for word in ("worker", "beat", "flower") if word in sys.argv[1:]), "celery")
    log.setup(process)
    for name in ("celery", "kombu", "amqp", "billiard"):
        logging.getLogger(name).setLevel(loglevel if isinstance(loglevel, int) else logging.WARNING)


def _no_bare_lines(instance: Any = None, **_: Any) -> None:
    """A worker's banner, its words at the end and its warning that it is root: events, or nothing."""
    from celery.apps import worker as apps
    from celery.exceptions import SecurityWarning

    warnings.simplefilter("ignore", SecurityWarning)  # it warns root of pickle, which is not accepted here
    apps.safe_say = lambda text, *_: logger.info("celery", text=text.strip())
    instance.quiet = True
    _logging()


def _ready(sender: Any = None, **_: Any) -> None:
    logger.info("worker_ready", node=getattr(sender, "hostname", ""), queues=",".join(sorted(app.amqp.queues.consume_from)))


def _ending(how: str = "", **_: Any) -> None:
    logger.info("worker_stopping", how=how.lower())


def _before_forks(sender: Any = None, **_: Any) -> None:
    """Hint at what transactions wake. A worker of checks imports the probes and freezes them: its children share them."""
    db.hint_by(hint_after_commit)
    families = {name.partition("@")[0] for name in sender.app.amqp.queues.consume_from}
    if not families & set(queues.CHECKS):
        return
    for name in plugins.probe_names():
        try:
            plugins.probe_module(name)
        except Invalid as error:  # its checks will say the same; those of the other probes run
            logger.error("probe_not_loaded", probe=name, reason=str(error))
    gc.collect()
    gc.freeze()


def _fresh_process(**_: Any) -> None:
    """A child makes its own database connections: those of its parent would give it other people's answers."""
    with suppress(Exception):
        db.engine()


def _beat_lives(**_: Any) -> None:
    logger.info("beat_started", entries=len(beat_schedule))
    beats.keep_reporting("beat")


class SignOfLife(bootsteps.StartStopStep):  # type: ignore[misc]
    """The worker's parent says which queues it takes from; it does so in its event loop, where nothing forks meanwhile."""

    requires = {"celery.worker.components:Timer"}  # noqa: RUF012

    def start(self, worker: Any) -> None:
        detail = {"queues": sorted(worker.app.amqp.queues.consume_from)}
        beats.report("worker", detail)
        worker.timer.call_repeatedly(beats.EVERY, beats.report, ("worker", detail))
        locations = {queue.partition("@")[2] for queue in detail["queues"] if "@" in queue}
        if locations:
            beats.tick(locations)
            worker.timer.call_repeatedly(uptime.EVERY_AWAY, beats.tick, (locations,))

    def stop(self, worker: Any) -> None:  # noqa: ARG002
        beats.leave("worker")


before_task_publish.connect(_stamp)
setup_logging.connect(_logging)
celeryd_init.connect(_no_bare_lines)
worker_ready.connect(_ready)
worker_shutting_down.connect(_ending)
worker_init.connect(_before_forks)
worker_process_init.connect(_fresh_process)
beat_init.connect(_beat_lives)
app.steps["worker"].add(SignOfLife)
