"""A cache in this process of the samples that rules need, so that each is read from the database once.

The database is authoritative: an empty cache reads the whole range, a filled one what is new.
Any number of processes may evaluate in turn; each updates its own cache.
"""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from app.checks.samples import store as samples
from app.rules.evaluate import series_name
from app.rules.past import Past

OVERLAP = timedelta(minutes=1)  # read again, for what was committed late
MAX_VALUES = 5_000_000  # values kept; 16 bytes each. Beyond them everything is read anew
SIZE_CHECK_EVERY = 256  # fetches between two checks of the size


class SampleRange(NamedTuple):
    """A check's metric (None: the share of critical results) around some time before now."""

    check: str
    metric: str | None
    back: timedelta


@dataclass(slots=True)
class _Cached:
    since: datetime
    until: datetime
    series: dict[str, Past] = field(default_factory=lambda: defaultdict(Past))


class SampleCache:
    """Past values by range and series."""

    def __init__(self) -> None:
        self._cached: dict[SampleRange, _Cached] = {}
        self._version = 0
        self._fetches = 0
        self._lock = threading.Lock()  # a worker evaluates in several threads, each other checks

    def fetch(
        self,
        db: Connection,
        version: int,
        wanted: Mapping[SampleRange, timedelta],
        evaluated_at: Mapping[str, datetime],
        now: datetime,
    ) -> Mapping[SampleRange, Mapping[str, Past]]:
        """Every series of these ranges: `wanted` long before `evaluated_at` (newest evaluation), up to now.

        version: of the configuration; another one clears the cache, so that a reused name starts without history.
        """
        with self._lock:
            return self._fetch(db, version, wanted, evaluated_at, now)

    def _fetch(
        self,
        db: Connection,
        version: int,
        wanted: Mapping[SampleRange, timedelta],
        evaluated_at: Mapping[str, datetime],
        now: datetime,
    ) -> Mapping[SampleRange, Mapping[str, Past]]:
        self._fetches += 1
        if version != self._version or (self._fetches % SIZE_CHECK_EVERY == 0 and self._size() > MAX_VALUES):
            self._cached.clear()
            self._version = version
        read = {}
        for sample_range, length in wanted.items():
            first = evaluated_at[sample_range.check] - sample_range.back - length
            cached = self._cached.get(sample_range)
            if cached is None or cached.since > first or cached.until > now:  # from ahead: the clock was set back
                cached = self._cached[sample_range] = _Cached(first, first)
                read[sample_range] = (first, now - sample_range.back)
            else:
                read[sample_range] = (max(cached.until - OVERLAP, cached.since), now - sample_range.back)
        self._read(db, read)
        for sample_range, length in wanted.items():
            self._trim(self._cached[sample_range], evaluated_at[sample_range.check] - sample_range.back - length)
        return {sample_range: self._cached[sample_range].series for sample_range in wanted}

    def clear(self) -> None:
        """Drop everything: read it anew."""
        with self._lock:
            self._cached.clear()

    def _read(self, db: Connection, read: Mapping[SampleRange, tuple[datetime, datetime]]) -> None:
        """Fetch what is new; where nothing is new, the same range is read again next time."""
        wanted = [(one.check, one.metric, one.back, *span) for one, span in read.items()]
        for check, metric, back, at, value, labels in samples.samples_between(db, wanted):
            cached = self._cached[SampleRange(check, metric, back)]
            cached.series[series_name(labels)].add(at, value)
            cached.until = max(cached.until, at)

    def _trim(self, cached: _Cached, before: datetime) -> None:
        cached.since = max(cached.since, before)
        for name in [name for name, past in cached.series.items() if past.is_older(before)]:
            del cached.series[name]
        for past in cached.series.values():
            past.trim(before)

    def _size(self) -> int:
        return sum(len(past) for cached in self._cached.values() for past in cached.series.values())


CACHE = SampleCache()
"""Of this process."""
