"""When a message that was not taken is tried again. Pure."""

from datetime import timedelta

WAITS = (2.0, 5.0, 10.0, 20.0, 30.0)  # seconds; the last one repeats
SPREAD = 0.2
LONGEST_ASKED = 30.0  # seconds; a provider that asks for more is asked again then


def wait(attempt: int, chance: float, retry_after: float | None = None) -> timedelta:
    """How long to wait after failed attempt `attempt` (counts from 1); `chance` in [0, 1) spreads it by +-20 %."""
    usual = WAITS[min(attempt, len(WAITS)) - 1] * (1 - SPREAD + 2 * SPREAD * chance)
    asked = min(max(retry_after or 0.0, 0.0), LONGEST_ASKED)
    return timedelta(seconds=max(usual, asked))
