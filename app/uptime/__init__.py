"""When Tocsin itself ran: each part ticks, a gap between two ticks is downtime, and in downtime nobody's silence counts.

Parts: `checks` (this stack runs checks and rules), `checks@LOCATION` (a worker there does), `intake` (pings are heard).
"""

from app.uptime.model import CHECKS, EVERY, EVERY_AWAY, GAP, GAP_AWAY, INTAKE, gap_of, part_of
from app.uptime.service import runs, tick
from app.uptime.store import delete_old, downtimes, last_seen

__all__ = [
    "CHECKS",
    "EVERY",
    "EVERY_AWAY",
    "GAP",
    "GAP_AWAY",
    "INTAKE",
    "delete_old",
    "downtimes",
    "gap_of",
    "last_seen",
    "part_of",
    "runs",
    "tick",
]  # fmt: skip
