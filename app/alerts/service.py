"""Turns signals into alerts: one open alert per fingerprint, labelled by what the catalog knows."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import Connection

from app.alerts import store
from app.alerts.label import Opened, labels
from app.catalog import store as catalog
from app.catalog.model import Service
from app.db import wake
from app.oncall import service as oncall
from app.queues import Queue
from app.reason import Code, Reason, dumped
from app.signals.model import PUSHED, Signal, SignalStatus

SEEN = timedelta(seconds=10)  # how often it is written down that an alert was sent again
RECOVERED, REMOVED = (Reason(Code.RECOVERED),), (Reason(Code.REMOVED),)


def take_turn(db: Connection, signals: Sequence[Signal]) -> None:
    """Keep calls of the same sources from waiting for each other's new alerts in a circle, until this transaction ends.

    A call of one statement writes its alerts in their order, beside any number of such calls. One of several statements
    cannot, so it goes alone.
    """
    store.take_turns(db, {signal.source for signal in signals}, alone=_mixed(batches(folded(signals))))


def as_of(db: Connection, now: datetime) -> Hashable:
    """What an alert is made of beside its signal: the configuration, and which hours are open."""
    return catalog.version(db), oncall.timetable(db).open_at(now)


def see(db: Connection, contents: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    """Open alerts that are sent again (content by fingerprint): the traces of those whose content is the same.

    They go no further: nothing about them changes but when they were seen last.
    """
    return store.see(db, contents, now, now - SEEN) if contents else {}


def accept(db: Connection, signals: Sequence[Signal], now: datetime) -> Mapping[str, str]:
    """Open, update or end the alerts these signals speak of, in their order; wakes the dedup stage if it must look.

    The digests of what senders said of open alerts, by fingerprint, as `see` takes them.
    """
    services, opened = catalog.services(db), oncall.timetable(db).open_at(now)
    changed: list[int] = []
    contents: dict[str, str] = {}
    parts = batches(folded(signals))
    if _mixed(parts):
        store.lock(db, [signal.fingerprint for signal in signals])
    for batch in parts:
        raised = [_row(signal, services, opened, now) for signal in batch if signal.status is not SignalStatus.RESOLVED]
        contents |= {row["fingerprint"]: row["content"] for row in raised if row["content"]}
        ended = [
            {"fingerprint": signal.fingerprint, "end_reasons": dumped(signal.reasons or RECOVERED)}
            for signal in batch
            if signal.status is SignalStatus.RESOLVED
        ]
        if raised:
            changed += store.raise_all(db, raised, now)
        if ended:
            changed += store.end_all(db, ended, now)
    if changed:
        wake(db, Queue.DEDUP)
    return contents


def folded(signals: Sequence[Signal]) -> list[Signal]:
    """The same without what the next signal of the same alert makes undone: of firing after firing the last counts, from the
    first one's start; of an end after an end the first.
    """
    kept: list[Signal] = []
    place: dict[str, int] = {}  # of the last signal of each alert
    for signal in signals:
        at = place.get(signal.fingerprint)
        if at is None or _differs(kept[at], signal):
            place[signal.fingerprint] = len(kept)
            kept.append(signal)
        elif signal.status is not SignalStatus.RESOLVED:
            kept[at] = replace(signal, starts_at=kept[at].starts_at)
    return kept


def _differs(one: Signal, next_: Signal) -> bool:
    """Whether the dedup stage must look because of either."""
    return (one.status, one.severity, one.shadow) != (next_.status, next_.severity, next_.shadow)


def _mixed(parts: Sequence[Sequence[Signal]]) -> bool:
    """Whether these signals take more than one statement."""
    return len(parts) > 1 or len({signal.status is SignalStatus.RESOLVED for part in parts for signal in part}) > 1


def retire(db: Connection, sources: Sequence[str], now: datetime) -> None:
    """End every open alert of sources that no longer exist (reason `removed`); nobody is notified of it."""
    fingerprints = store.open_of_sources(db, sources) if sources else []
    rows = [{"fingerprint": one, "end_reasons": dumped(REMOVED)} for one in fingerprints]
    if rows and store.end_all(db, rows, now):
        wake(db, Queue.DEDUP)


def batches(signals: Iterable[Signal]) -> list[list[Signal]]:
    """The signals in order, cut so that no alert comes twice in one part: a statement may touch a row only once."""
    parts: list[list[Signal]] = []
    depth: dict[str, int] = {}
    for signal in signals:
        level = depth.get(signal.fingerprint, 0)
        depth[signal.fingerprint] = level + 1
        if level == len(parts):
            parts.append([])
        parts[level].append(signal)
    return parts


def _row(signal: Signal, services: Mapping[str, Service], opened: Opened, now: datetime) -> dict[str, Any]:
    final = labels(signal, services, opened)
    service = services.get(signal.service) if signal.service else None
    said = {
        "alertname": final["alertname"],
        "severity": signal.severity.value,
        "summary": signal.summary,
        "service": signal.service,
        "labels": final,
        "annotations": dict(signal.annotations),
        "links": signal.links,
        "runbook": signal.runbook or (service.runbook if service else None),
    }
    return {
        **said,
        "fingerprint": signal.fingerprint,
        "source": signal.source,
        "key": signal.key,
        "state": signal.status.value,
        "content": _digest(said) if signal.source.startswith(PUSHED) else None,
        "value": signal.value,
        "reasons": dumped(signal.reasons),
        "reason_in_summary": signal.reason_in_summary,
        "shadow": signal.shadow,
        "trace": signal.trace,
        "starts_at": signal.starts_at or now,
    }


def _digest(said: Mapping[str, Any]) -> str:
    """Of everything that a sender can say of an alert while it fires."""
    return blake2b(orjson.dumps(said), digest_size=16).hexdigest()
