"""Flower, in our own process: on loopback, closed on every path without the password, task events only while somebody looks.

Stock Flower answers /metrics, /healthcheck, /static and unknown paths to anybody; here the door is in front of its router.
Its worker and broker pages live from the workers' heartbeats and from `inspect`; only the task page needs task events,
which cost every worker a message per step of every task. So they are switched on by a look at Flower and off afterwards.
"""

import asyncio
import hmac
import logging
import signal
import time
from base64 import b64decode
from functools import partial
from typing import Any

from flower.app import Flower
from flower.options import options
from flower.urls import settings as web_settings
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import HTTPError, RequestHandler

from app import log
from app.errors import Unusable
from app.settings import Settings, home_secret

USER = "admin"
ADDRESS = "127.0.0.1"
WATCHED = 600.0  # seconds task events stay on after the last request
ASK_AGAIN = 5.0  # seconds: a worker that restarts meanwhile must be asked as well
TASKS = 5_000  # kept in memory

logger = log.get(__name__)


class Stranger(RequestHandler):
    """Answers 401 and nothing else, whatever the method or the path."""

    def set_default_headers(self) -> None:
        self.set_header("WWW-Authenticate", 'Basic realm="Flower", charset="UTF-8"')
        self.set_header("Cache-Control", "no-store")

    def set_status(self, *_: Any, **__: Any) -> None:
        super().set_status(401)

    def prepare(self) -> None:
        raise HTTPError(401)

    def write_error(self, *_: Any, **__: Any) -> None:
        self.finish("authentication required: user admin, password in TOCSIN_HOME/flower-password\n")

    def log_exception(self, *_: Any) -> None:
        """A refusal is not an error."""


class Guarded(Flower):  # type: ignore[misc]
    """Flower behind one door."""

    def __init__(self, password: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.credentials = f"{USER}:{password}".encode()
        self.seen: float | None = None
        self.events_on = False
        self.timer = PeriodicCallback(self.keep_up, ASK_AGAIN * 1000)

    def find_handler(self, request: HTTPServerRequest, **rest: Any) -> HTTPMessageDelegate:
        """The only way from a request to a handler."""
        if not is_admin(request.headers.get("Authorization", ""), self.credentials):
            stranger: HTTPMessageDelegate = self.get_handler_delegate(request, Stranger)
            return stranger
        first = self.seen is None or time.monotonic() - self.seen > WATCHED
        self.seen = time.monotonic()
        if first:
            self.io_loop.add_callback(self.keep_up)
        known: HTTPMessageDelegate = super().find_handler(request, **rest)
        return known

    async def keep_up(self) -> None:
        """Task events on while somebody has looked lately, off once when nobody has; queues asked of workers not known yet."""
        wanted = self.seen is not None and time.monotonic() - self.seen < WATCHED
        if not wanted and not self.events_on:
            return
        if wanted and not self.events.state.workers.keys() <= self.workers.keys():
            self.update_workers()
        tell = self.capp.control.enable_events if wanted else self.capp.control.disable_events
        try:
            await asyncio.wait_for(self.io_loop.run_in_executor(None, tell), 10)
            self.events_on = wanted
        except Exception as error:  # noqa: BLE001  (kombu raises each transport's own; the next tick tries again)
            logger.warning("task_events_not_enabled", error=str(error))

    def start(self) -> None:
        """Serve until stopped. Workers are not asked now, as stock Flower does: they start at the same time as we do."""
        self.events.start()
        self.timer.start()
        self.started = True
        self.io_loop.start()


def is_admin(header: str, credentials: bytes) -> bool:
    """Whether an Authorization header carries `credentials` (`user:password`), compared in constant time."""
    scheme, _, encoded = header.partition(" ")
    try:
        given = b64decode(encoded.strip(), validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(given, credentials) and scheme.lower() == "basic"


def build(settings: Settings, celery_app: Any) -> Guarded:
    """Flower for `celery_app`, not listening yet; its module-wide options are set as a side effect."""
    password = home_secret(settings.home, "flower-password")
    options.address, options.port = ADDRESS, settings.flower_port
    options.basic_auth = [f"{USER}:{password}"]  # Flower's own check stays on behind ours: it also refuses cross-site requests
    options.enable_events = False
    options.persistent = False
    options.max_tasks = TASKS
    options.purge_offline_workers = 300
    return Guarded(password, capp=celery_app, options=options, **web_settings)


def run(settings: Settings, celery_app: Any) -> None:
    """Serve until SIGTERM or SIGINT. Raises Unusable when the port is taken."""
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    application = build(settings, celery_app)
    try:
        port = application.start_http_server()
    except OSError as error:
        raise Unusable(f"port {settings.flower_port} of {ADDRESS}: {error.strerror}; set TOCSIN_FLOWER_PORT") from error
    logger.info("listening", address=f"{ADDRESS}:{port}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_end, application))
    application.start()


def _end(application: Guarded, *_: Any) -> None:
    IOLoop.current().add_callback_from_signal(application.stop)
