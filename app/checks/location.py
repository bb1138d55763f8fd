"""What a worker elsewhere may do in the database: its role, named after its location, and what that role is granted. Pure.

Row-level security (migration 0006) confines the role to the rows of its location: the name of the role says which.
"""

import re

from app.errors import Invalid

PREFIX = "tocsin_at_"
NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
LONGEST = 63 - len(PREFIX)  # PostgreSQL cuts longer names of roles
RESULT = "lease_until, status, message, metrics, seconds, at, memory, unreachable, reason, evaluate_at"
GRANTS = (
    "usage on schema public",
    "select (id) on config_version",
    "select on declaration, check_state, check_baseline, check_run, prober, process_beat, uptime, downtime",
    f"update ({RESULT}) on check_state",
    "update (result, done_at) on check_run",
    "insert on check_result, sample, check_baseline, prober, process_beat, uptime, downtime",
    "update on check_baseline, prober, process_beat, uptime",
    "delete on process_beat, downtime",
)


def role(location: str) -> str:
    """The name of the role. Raises Invalid where there is none."""
    if not re.fullmatch(NAME, location) or len(location) > LONGEST:
        raise Invalid(f'invalid location "{location}" for a database role; use 1 to {LONGEST} of a-z, 0-9, ".", "_", "-"')
    return PREFIX + location


def sql(location: str) -> list[str]:
    """The statements that make the role, without a password, and grant what its worker needs. Raises Invalid."""
    name = f'"{role(location)}"'
    return [f"create role {name} login connection limit 20", *(f"grant {what} to {name}" for what in GRANTS)]
