"""The last runs of a heartbeat as bars: as high as took long, failed ones told apart. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app import figures
from app.checks.heartbeats.model import Kind, RunEnd
from app.walltime import exact

MOST = 40  # bars; the drawing is so many units wide, and 24 high
HEIGHT, LEAST = 24.0, 3.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One run's end; `look` is ok, fail or none (not measured)."""

    x: int
    y: float
    height: float
    style: str
    title: str


def bars(ends: Sequence[RunEnd], zone: ZoneInfo) -> tuple[Bar, ...]:
    """The newest at the right."""
    shown = ends[-MOST:]
    longest = max((one.seconds or 0.0 for one in shown), default=0.0)
    first = MOST - len(shown)
    return tuple(_bar(first + place, one, longest, zone) for place, one in enumerate(shown))


def summary(ends: Sequence[RunEnd]) -> str:
    """The same in words."""
    shown = ends[-MOST:]
    took = [one.seconds for one in shown if one.seconds is not None]
    failed = sum(one.kind is Kind.FAIL for one in shown)
    ends_of = dict.fromkeys(figures.figure("seconds", one) for one in (min(took), max(took))) if took else ()
    span = f"; took {' to '.join(ends_of)}" if took else ""
    return f"{len(shown)} {'run' if len(shown) == 1 else 'runs'}, {failed} failed{span}"


def _bar(x: int, end: RunEnd, longest: float, zone: ZoneInfo) -> Bar:
    seconds = end.seconds
    height = LEAST if seconds is None or not longest else max(LEAST, HEIGHT * seconds / longest)
    style = "fail" if end.kind is Kind.FAIL else "none" if seconds is None else "ok"
    took = "" if seconds is None else f", took {figures.figure('seconds', seconds)}"
    said = "failed" if end.kind is Kind.FAIL else "done"
    return Bar(x, HEIGHT - height, height, style, f"{said} {exact(end.at, zone)}{took}")
