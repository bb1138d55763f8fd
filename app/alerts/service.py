"""Turns signals into alerts: one open alert per fingerprint, labelled by what the catalog knows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.alerts import store
from app.alerts.label import Opened, labels
from app.catalog import store as catalog
from app.catalog.model import Service
from app.db import wake
from app.oncall import service as oncall
from app.queues import Queue
from app.reason import Code, Reason, dumped
from app.signals.model import Signal, SignalStatus

RECOVERED, REMOVED = (Reason(Code.RECOVERED),), (Reason(Code.REMOVED),)


def take_turn(db: Connection, source: str, signals: Sequence[Signal]) -> None:
    """Keep calls of one source from waiting for each other's new alerts in a circle, until this transaction ends.

    A call of one statement writes its alerts in their order, beside any number of such calls. One of several statements
    cannot, so it goes alone.
    """
    store.take_turn(db, source, alone=_mixed(batches(signals)))


def accept(db: Connection, signals: Sequence[Signal], now: datetime) -> None:
    """Open, update or end the alerts these signals speak of, in their order; wakes the dedup stage if it must look."""
    services, opened = catalog.services(db), oncall.timetable(db).open_at(now)
    changed: list[int] = []
    parts = batches(signals)
    if _mixed(parts):
        store.lock(db, [signal.fingerprint for signal in signals])
    for batch in parts:
        raised = [_row(signal, services, opened, now) for signal in batch if signal.status is not SignalStatus.RESOLVED]
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
    return {
        "fingerprint": signal.fingerprint,
        "source": signal.source,
        "key": signal.key,
        "alertname": final["alertname"],
        "state": signal.status.value,
        "severity": signal.severity.value,
        "summary": signal.summary,
        "service": signal.service,
        "labels": final,
        "annotations": dict(signal.annotations),
        "links": list(signal.links),
        "runbook": signal.runbook or (service.runbook if service else None),
        "value": signal.value,
        "reasons": dumped(signal.reasons),
        "reason_in_summary": signal.reason_in_summary,
        "shadow": signal.shadow,
        "trace": signal.trace,
        "starts_at": signal.starts_at or now,
    }
