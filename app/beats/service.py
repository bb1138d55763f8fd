"""Gives signs of life on connections of their own: in processes that need no other, or are about to fork."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app import uptime
from app.beats.model import EVERY
from app.beats.store import end, touch
from app.db import connect
from app.settings import settings

_not_before = 0.0  # time.monotonic before which no location is reported


def report(kind: str, detail: Mapping[str, Any] | None = None) -> None:
    """`touch` on a connection of its own that is closed again: the process may fork, or never need another. Never raises."""
    _alone(lambda db: touch(db, kind, detail))


def tick(locations: Iterable[str]) -> None:
    """Say that the checks of these locations are run. Not for a while after it failed: a worker's loop waits for it."""
    global _not_before
    if time.monotonic() < _not_before:
        return
    began = time.monotonic()
    said = _alone(lambda db: [uptime.tick(db, uptime.part_of(one)) for one in sorted(locations)])
    if not said:
        _not_before = time.monotonic() + 5 * (time.monotonic() - began)


def leave(kind: str) -> None:
    """`end` in the same way."""
    _alone(lambda db: end(db, kind))


def _alone(work: Callable[[Connection], object]) -> bool:
    """Whether it was done."""
    made = connect(settings().database, size=1)
    try:
        with suppress(SQLAlchemyError, OSError, RuntimeError), made.begin() as db:
            work(db)
            return True
        return False
    finally:
        made.dispose()


def keep_reporting(kind: str, detail: Mapping[str, Any] | None = None) -> None:
    """Report from a thread of its own until the process ends."""

    def forever() -> None:
        while True:
            report(kind, detail)
            threading.Event().wait(EVERY)

    threading.Thread(target=forever, name="beats", daemon=True).start()
