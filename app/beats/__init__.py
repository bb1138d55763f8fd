"""Signs of life: every pager, worker and beat says every few seconds that it is there; readiness and metrics read it."""

from app.beats.model import EVERY, FRESH, Seen, served
from app.beats.service import keep_reporting, leave, report, tick
from app.beats.store import clock_set_back, delete_old, end, seen, touch

__all__ = [
    "EVERY",
    "FRESH",
    "Seen",
    "clock_set_back",
    "delete_old",
    "end",
    "keep_reporting",
    "leave",
    "report",
    "seen",
    "served",
    "tick",
    "touch",
]
