"""Day partitions, retention, and the sign of life for the outside watcher."""

from app.upkeep.retention.service import drop_old_alerts, drop_old_audit, drop_old_incidents, drop_old_pages, drop_old_signals
from app.upkeep.service import drop_old, make_partitions, roll_up, sign_of_life

__all__ = [
    "drop_old",
    "drop_old_alerts",
    "drop_old_audit",
    "drop_old_incidents",
    "drop_old_pages",
    "drop_old_signals",
    "make_partitions",
    "roll_up",
    "sign_of_life",
]
