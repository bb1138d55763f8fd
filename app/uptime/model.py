"""The parts of Tocsin that tick, and how long each may go without. Pure."""

from datetime import timedelta

CHECKS = "checks"
INTAKE = "intake"
EVERY = 0.5  # seconds between two ticks of this stack's parts
EVERY_AWAY = 1.5  # seconds between two ticks of a location
GAP = timedelta(seconds=2)  # without a tick for so long, a part did not run
GAP_AWAY = timedelta(seconds=5)


def part_of(location: str) -> str:
    """The part that runs the checks of a location; empty is where the stack is."""
    return f"{CHECKS}@{location}" if location else CHECKS


def gap_of(part: str) -> timedelta:
    """How long this part may go without a tick."""
    return GAP_AWAY if "@" in part else GAP
