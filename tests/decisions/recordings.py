"""Runs rules over recordings as `tocsin rules test` does, and the plain sums that their figures are compared with."""

import csv
import io
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.checks.model import Check
from app.cli.rules import _row
from app.configfile.load import load_texts
from app.review.recorded import read
from app.review.replay import Replay, reads_results
from app.rules.book import Book, made_of
from app.rules.model import Rule
from tests.decisions.words import NOON, s

Values = Sequence[float | str | None]


@dataclass(frozen=True)
class Row:
    """One line of the answer; `t` in seconds since noon."""

    t: float
    value: float | None
    state: str
    alerting: bool
    severity: str
    because: str
    labels: Mapping[str, str]
    score: float | None
    reasons: Sequence[Mapping[str, Any]]


def book(rules: Mapping[str, Any], every: str = "1m") -> Book:
    """Rules over one check, `c`, as a file declares them."""
    check = {"probe": "health.tcp", "every": every, "with": {"host": "127.0.0.1", "port": 9}, "alert": "off", "no_data": "keep"}
    given = {"checks": {"c": check}, "rules": {name: {"check": "c", **rule} for name, rule in rules.items()}}
    for rule in given["rules"].values():
        if rule["kind"] == "composite":
            del rule["check"]
    loaded = load_texts({"r.yaml": json.dumps(given | {"routes": []})}, {})
    assert loaded.config is not None, loaded.errors
    return made_of(loaded.config.of("check", Check), loaded.config.of("rule", Rule))


def file(samples: Sequence[tuple[Any, ...]]) -> str:
    """CSV of (seconds since noon, value) or (seconds, value, {label: value}); None is empty."""
    names = list(dict.fromkeys(name for one in samples for name in (one[2] if len(one) > 2 else {})))
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(["timestamp", "value", *names])
    for at, value, *labels in samples:
        labelled = [labels[0].get(name, "") if labels else "" for name in names]
        write.writerow([(NOON + s(at)).isoformat(), "" if value is None else value, *labelled])
    return out.getvalue()


def run(
    rule: Mapping[str, Any], samples: Sequence[tuple[Any, ...]], every: str = "1m", **others: Mapping[str, Any]
) -> list[Row]:
    """What a rule says of samples; `others` are the rules it is made of."""
    known = book({**others, "r": rule}, every)
    active = next(one for one in known.rules if one.name == "r")
    rows = [_row(step) for step in Replay(active, known).run(read(io.StringIO(file(samples)), reads_results(active)))]
    return [
        Row((_at(row["at"]) - NOON).total_seconds(), *(row[name] for name in Row.__annotations__ if name != "t"))
        for row in rows
    ]


def _at(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


def states(rows: Sequence[Row]) -> str:
    """A letter a line: o ok, p pending, F firing, u unknown (U while its alert is on), l learning."""
    return "".join("U" if row.state == "unknown" and row.alerting else row.state[0].replace("f", "F") for row in rows)


def every(step: float, values: Values) -> list[tuple[float, Any]]:
    """Samples so many seconds apart, the first at noon."""
    return [(step * number, value) for number, value in enumerate(values)]


def within(samples: Sequence[tuple[Any, ...]], t: float, window: float) -> list[tuple[float, float]]:
    """Those in (t - window, t] that have a value; of an instant told twice the last."""
    kept = {at: value for at, value, *_ in samples if t - window < at <= t and value is not None}
    return sorted(kept.items())


def summed(agg: str, found: Sequence[tuple[float, float]]) -> float | None:
    """The aggregate by the book, slowly."""
    values = [value for _, value in found]
    n = len(values)
    if agg == "count":
        return float(n)
    if not n or (agg in ("stddev", "rate") and n < 2):
        return None
    if agg == "stddev":
        mean = sum(values) / n
        return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    if agg == "rate":
        grown = 0.0
        for before, after in itertools.pairwise(values):
            grown += after - before if after >= before else after
        return grown / (found[-1][0] - found[0][0])
    if agg.startswith("p"):
        ordered, place = sorted(values), (n - 1) * int(agg[1:]) / 100
        low = int(place)
        return ordered[low] if low + 1 == n else ordered[low] * (1 - (place - low)) + ordered[low + 1] * (place - low)
    simple = {"avg": sum(values) / n, "min": min(values), "max": max(values), "sum": sum(values), "last": values[-1]}
    return simple[agg]
