"""What matters first where many pages, steps or alerts wait: high urgency before low, critical before warning, then the oldest.

An incident's `priority` is a column that the database computes from urgency and severity: 0 (high, critical) to 7 (low, info).
Pages and steps have that of their incident when they are queued. What waits gains a place with every LIFT, so nothing waits for
ever; and whoever takes what is due asks for each priority apart, so that an index finds it however much else waits.
"""

from datetime import timedelta

PRIORITIES = tuple(range(8))
LOW = 4  # from here on: low urgency
LIFT = timedelta(minutes=10)
MOST_URGENT = 500  # rows of high urgency that are taken at once
FEW = 16  # rows that are taken together, whatever their urgency: nothing waits for them

# SQL: each priority (below a bound) as `of.priority`, and LIFT.
EACH = f"unnest(cast('{{{','.join(map(str, PRIORITIES))}}}' as smallint[])) as of(priority)"
BELOW = "generate_series(0, cast(:below as int) - 1) as of(priority)"
LIFTED = f"interval '{LIFT.total_seconds():.0f} seconds'"
