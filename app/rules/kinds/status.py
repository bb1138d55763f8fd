"""Fires when K of the last N results are bad; a check's `alert:` is the short form.

Critical results fire at the alert's severity, warnings at `warning`. The first ok resolves the alert, unless
`clear_after: K of N` is set; after recovery, counting restarts. An unknown result is neither good nor bad.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field

from app.catalog.model import Severity
from app.checks.model import Count, out_of
from app.checks.probe import Status
from app.reason import Code as Common
from app.reason import Reason
from app.rules.model import NO_DATA_ALERT, Finding, Lookback, Point, Rule, View
from app.wording import Facts, Phrase

COUNTS_ITSELF = True  # `after` is its own matter
BAD = (Status.WARNING.value, Status.CRITICAL.value)


class Code(StrEnum):
    """What it finds."""

    COUNTED = "status.counted"  # how many of the last results are bad, and the newest message


def _in_words(facts: Facts) -> str:
    if facts["of"] == 1:
        return f"the last result is {'bad' if facts['bad'] else 'ok'}: {facts['message']}"
    return f"{facts['bad']} of the last {facts['of']} results are bad: {facts['message']}"


PHRASES: dict[str, Phrase] = {Code.COUNTED: _in_words}


class Spec(Rule):
    """`after` and `clear_after` as `K of N`."""

    kind: str = "status"
    after: Count = Field(
        default="2 of 3", description="K of N: fires when K of the last N results are bad", examples=["3 of 5"]
    )
    clear_after: Count | None = Field(
        default=None,
        description="K of N: resolves when K of the last N results are ok; default: the first ok",
        examples=["2 of 2"],
    )


def lookbacks(spec: Spec) -> tuple[Lookback, ...]:  # noqa: ARG001
    """It remembers the last N results itself and needs only the newest."""
    return ()


def evaluate(spec: Spec, view: View, memory: Mapping[str, Any]) -> Finding:
    """Count the newest result in.

    memory: `recent` (statuses, oldest first), `since` (those since it fired), `on` (fired, not recovered), `critical`, and
    `blind` (its alert is on for want of data).
    """
    newest = view.newest
    if newest.status is Status.UNKNOWN:
        return Finding(None, False, None, newest.unknown_reason(Common.NO_RESULT))
    after, clear_after = out_of(spec.after), out_of(spec.clear_after or "1 of 1")
    judged = after.recent(memory.get("recent", ()), newest.status.value)
    bad = after.reached(status in BAD for status in judged)
    was_on = bool(memory.get("on"))
    no_data = bool(memory.get(NO_DATA_ALERT))
    since = clear_after.recent(memory.get("since", ()), newest.status.value) if was_on or no_data else []
    clear = clear_after.reached(status == Status.OK.value for status in since)
    on = not clear if was_on else bad
    critical = after.reached(status == Status.CRITICAL.value for status in judged)
    critical = critical or (on and bool(memory.get("critical")))
    over = (was_on or no_data) and clear
    kept = {"recent": [] if over else judged, "since": [] if over else since, "on": on, "critical": critical and on}
    if no_data and not over:
        kept[NO_DATA_ALERT] = True
    return Finding(on, clear, None, _counted(judged, newest), spec.severity if critical else Severity.WARNING, kept)


def _counted(judged: Sequence[str], newest: Point) -> Reason:
    bad = sum(status in BAD for status in judged)
    return Reason(Code.COUNTED, {"bad": bad, "of": len(judged), "message": newest.message or newest.status.value})
