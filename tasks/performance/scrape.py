"""The metrics that a service exposes on its /metrics page, read without a Prometheus server.

Metrics: for each name in `metrics`: a gauge under its own name; a counter as `NAME_per_second` (without `_total`) since the
last run; a histogram as `NAME_p50`, `NAME_p95`, `NAME_p99` of its observations since the last run, and `NAME_count_per_second`;
a summary likewise, with the quantiles that the service reports. Each label set has its own value.

Critical: no response, or an error. Unknown: a page that cannot be parsed, a name that is not on it, or a name for which `match`
leaves no series or all values are NaN or infinite. It never warns; use rules to evaluate the values.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from math import isfinite
from typing import Annotated

from pydantic import BeforeValidator

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, counted, probe, unanswered
from app.net.ask import MARGIN, Server
from app.net.expect import LONG
from app.net.exposition import ACCEPT, families, quantile
from app.net.http import Failed, Response, fetch

SUFFIXES = ("_total", "_info", "_bucket", "_count", "_sum", "_gcount", "_gsum")  # of other types
Labels = tuple[tuple[str, str], ...]
Values = dict[str, dict[Labels, float]]  # metric -> its values
Names = Annotated[
    list[Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]{1,200}$")]],
    Field(min_length=1, max_length=50),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
]


class Page(Server, Spec):
    """Which page, and what of it."""

    metrics: Names = Field(
        description="names as on the page, of histograms or of single series: `jobs_total`, `http.server.duration`",
        examples=[["jobs_total", "request_duration_seconds"]],
    )
    match: dict[str, str] = Field(default={}, description="labels and their values that a series must have")
    quantiles: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.5, 0.95, 0.99], max_length=10, description="quantiles of histograms: 0.95 is stored as `NAME_p95`"
    )
    max_series: int = Field(default=500, ge=1, le=5000, description="maximum number of values in one run; more are an error")
    max_bytes: int = Field(default=16_777_216, ge=1, le=67_108_864, description="maximum bytes of the page to read")


def _possible_metrics(spec: Page) -> list[str]:
    """What it can give: which of it, the types on the page decide, and of a summary the quantiles, as `NAME_p99_9`."""
    parts = ("_per_second", "_count_per_second", *SUFFIXES, *(f"_p{digit}*" for digit in range(10)))
    return [*spec.metrics, *(name.removesuffix("_total") + part for name in spec.metrics for part in parts)]


@probe(on_timeout=Status.CRITICAL, metrics=_possible_metrics)
async def measure(spec: Page, run: Run) -> Reading:
    until = time.monotonic() + run.timeout * MARGIN
    try:
        response = await fetch(spec.request(spec.url, run.timeout * MARGIN, headers={"Accept": ACCEPT}, follow_redirects=5))
    except Failed as failed:
        raise unanswered(failed) from None
    if response.status in (401, 403):
        raise Unknown(f"the page returned {response.status}; check token, username and password")
    if not 200 <= response.status < 300:
        return Reading(Status.CRITICAL, f"the page returned {response.status}")
    now = time.time()  # the same clock for every worker; a run after a step back in time gives no rates
    try:
        if len(response.body) > LONG:
            return await asyncio.to_thread(_reading, response, spec, run, now, until)
        return _reading(response, spec, run, now, until)
    except ValueError as error:
        raise Unknown(str(error)) from None


def _reading(response: Response, spec: Page, run: Run, now: float, until: float) -> Reading:
    tally = _Tally(spec, run, now)
    present: set[str] = set()
    matched: set[str] = set()
    kept: set[str] = set()
    for family in families(response, spec.metrics, until):
        lines = []
        for one in family.samples:
            wanted = {name for name in spec.metrics if _matches(one.name, name, family.name)}
            present |= wanted
            if wanted and spec.match.items() <= one.labels.items():
                lines.append((one.name, one.labels, float(one.value)))
                matched |= wanted
                summed = family.type in ("histogram", "summary") and one.name.endswith("_sum")  # of which nothing is made
                kept |= wanted if isfinite(one.value) and not summed else set()
        tally.add(family.name, family.type, lines)
    missing = {name: "not on the page" for name in spec.metrics if name not in present}
    missing |= {name: "no line matches" for name in spec.metrics if name in present - matched}
    missing |= {name: "no line has a number" for name in spec.metrics if name in matched - kept}
    return tally.reading(missing)


def _matches(sample: str, name: str, family: str) -> bool:
    """Does a line belong to a name? A counter's may be written with or without `_total`."""
    if sample.endswith("_created"):
        return False
    return name == family or sample in (name, f"{name}_total")


class _Tally:
    """Collects the values of this run, and the counters for the next."""

    def __init__(self, spec: Page, run: Run, now: float) -> None:
        self._spec, self._now = spec, now
        self._before = run.numbers("counts")
        self._elapsed = now - (run.number("at") or now)
        self._counts: dict[str, float] = {}
        self._values: Values = {}
        self._new_counters = 0

    def add(self, family: str, kind: str, lines: list[tuple[str, dict[str, str], float]]) -> None:
        buckets: dict[Labels, dict[float, float]] = {}
        for name, labels, value in lines:
            if kind == "counter" or (kind in ("histogram", "summary") and name in (f"{family}_count", f"{family}_sum")):
                if not name.endswith("_sum"):
                    self._rate(name, labels, value)
            elif kind == "histogram" and name == f"{family}_bucket":
                bound, key = _split(labels, "le")
                buckets.setdefault(key, {})[bound] = value
            elif kind == "summary" and "quantile" in labels:
                share, key = _split(labels, "quantile")
                self._set(f"{family}_p{_percent(share)}", key, value)
            else:
                self._set(name, _key(labels), value)
        for key, counts in buckets.items():
            self._quantiles(family, key, counts)

    def _rate(self, name: str, labels: dict[str, str], value: float) -> None:
        key = _key(labels)
        since = self._since(name, key, {0.0: value})
        if since is not None:
            self._set(f"{name.removesuffix('_total')}_per_second", key, since[0.0] / self._elapsed)

    def _quantiles(self, family: str, key: Labels, counts: dict[float, float]) -> None:
        since = self._since(family, key, counts)
        for wanted in self._spec.quantiles if since else ():
            value = quantile(wanted, since or {})
            if value is not None:
                self._set(f"{family}_p{_percent(wanted)}", key, value)

    def _since(self, name: str, key: Labels, now: dict[float, float]) -> dict[float, float] | None:
        """What counts grew by since the last run; None at the first. What shrank began again at zero, all buckets."""
        marks = {mark: _mark(name, key, mark) for mark in now}
        self._counts.update((marks[mark], value) for mark, value in now.items())
        before = {mark: self._before[marks[mark]] for mark in now if marks[mark] in self._before}
        if len(before) < len(now) or self._elapsed <= 0:
            self._new_counters += 1
            return None
        restarted = any(now[mark] < before[mark] for mark in now)
        return {mark: value - (0.0 if restarted else before[mark]) for mark, value in now.items()}

    def _set(self, metric: str, key: Labels, value: float) -> None:
        if abs(value) < float("inf"):
            self._values.setdefault(metric, {})[key] = value

    def reading(self, missing: dict[str, str]) -> Reading:
        """All of it, and why names have no value. Raises ValueError when it is too much."""
        total = sum(len(values) for values in self._values.values())
        if total > self._spec.max_series:
            raise ValueError(f"{total} values, more than {self._spec.max_series}; use match, or raise max_series")
        parts = [f"{counted(total, 'value')} of {counted(len(self._values), 'metric')}"]
        if self._new_counters:
            parts.append(f"{counted(self._new_counters, 'counter gives', 'counters give')} a rate from the next run on")
        for why in dict.fromkeys(missing.values()):
            names = ", ".join(name for name, reason in missing.items() if reason == why)
            parts += [f"{why}: {names}"]
        return Reading(
            Status.UNKNOWN if missing else Status.OK,
            "; ".join(parts),
            {metric: values[()] for metric, values in self._values.items() if () in values},
            tuple(self._series()),
            {"at": self._now, "counts": self._counts},
        )

    def _series(self) -> Iterator[Series]:
        for metric, values in self._values.items():
            yield from (Series(metric, value, dict(key)) for key, value in values.items() if key)


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _split(labels: Mapping[str, str], key_label: str) -> tuple[float, Labels]:
    """The number in one label, and the others. Raises ValueError when it is none."""
    try:
        return float(labels[key_label]), _key({label: text for label, text in labels.items() if label != key_label})
    except (KeyError, ValueError):
        raise ValueError(f'the page has a bucket or quantile with a non-numeric label "{key_label}"') from None


def _mark(name: str, key: Labels, bound: float) -> str:
    """A short name for a counter in memory: pages have thousands."""
    return blake2b(repr((name, key, bound)).encode(), digest_size=8).hexdigest()


def _percent(share: float) -> str:
    return f"{share * 100:g}".replace(".", "_")
