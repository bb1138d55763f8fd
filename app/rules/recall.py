"""What this process remembers of the samples that rules look back on, so that each is read from the database once.

The database stays the truth: a process that remembers nothing reads what lies within reach, one that does reads what is new.
Any number of processes may take turns; each catches up by itself.
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
MOST = 5_000_000  # values kept; 16 bytes each. Beyond them everything is read anew
COUNTED = 256  # looks between two counts of them


class Stretch(NamedTuple):
    """A check's metric (None: the share of critical results) around some time before now."""

    check: str
    metric: str | None
    back: timedelta


@dataclass(slots=True)
class _Known:
    since: datetime
    until: datetime
    series: dict[str, Past] = field(default_factory=lambda: defaultdict(Past))


class Recall:
    """Pasts by stretch and series."""

    def __init__(self) -> None:
        self._known: dict[Stretch, _Known] = {}
        self._version = 0
        self._looks = 0
        self._looking = threading.Lock()  # a worker evaluates in several threads, each other checks

    def look(
        self, db: Connection, version: int, wanted: Mapping[Stretch, timedelta], seen: Mapping[str, datetime], now: datetime
    ) -> Mapping[Stretch, Mapping[str, Past]]:
        """Every series of these stretches: `wanted` long before `seen` (the check's newest instant that was judged), up to now.

        version: of the configuration; another one forgets everything, so that a name used anew does not inherit a past.
        """
        with self._looking:
            return self._look(db, version, wanted, seen, now)

    def _look(
        self, db: Connection, version: int, wanted: Mapping[Stretch, timedelta], seen: Mapping[str, datetime], now: datetime
    ) -> Mapping[Stretch, Mapping[str, Past]]:
        self._looks += 1
        if version != self._version or (self._looks % COUNTED == 0 and self._size() > MOST):
            self._known.clear()
            self._version = version
        read = {}
        for stretch, length in wanted.items():
            first = seen[stretch.check] - stretch.back - length
            known = self._known.get(stretch)
            if known is None or known.since > first or known.until > now:  # from ahead: the clock was set back
                known = self._known[stretch] = _Known(first, first)
                read[stretch] = (first, now - stretch.back)
            else:
                read[stretch] = (max(known.until - OVERLAP, known.since), now - stretch.back)
        self._read(db, read)
        for stretch, length in wanted.items():
            self._forget(self._known[stretch], seen[stretch.check] - stretch.back - length)
        return {stretch: self._known[stretch].series for stretch in wanted}

    def forget(self) -> None:
        """Remember nothing: read everything anew."""
        with self._looking:
            self._known.clear()

    def _read(self, db: Connection, read: Mapping[Stretch, tuple[datetime, datetime]]) -> None:
        """Fetch what is new; where nothing came, the same stretch is asked for again next time."""
        wanted = [(one.check, one.metric, one.back, *span) for one, span in read.items()]
        for check, metric, back, at, value, labels in samples.samples_between(db, wanted):
            known = self._known[Stretch(check, metric, back)]
            known.series[series_name(labels)].add(at, value)
            known.until = max(known.until, at)

    def _forget(self, known: _Known, before: datetime) -> None:
        known.since = max(known.since, before)
        for name in [name for name, past in known.series.items() if past.is_older(before)]:
            del known.series[name]
        for past in known.series.values():
            past.forget(before)

    def _size(self) -> int:
        return sum(len(past) for known in self._known.values() for past in known.series.values())


RECALL = Recall()
"""Of this process."""
