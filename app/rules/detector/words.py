"""The judgement in words that a tired person understands."""

from datetime import datetime

from app.units import length


def number(value: float) -> str:
    """Four significant digits, and no exponent where people do without."""
    if value == 0.0 or 0.001 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"
    return f"{value:.3e}"


def judged(value: float, low: float, high: float, local: datetime, season: str, days: float) -> str:
    """ "412 is below 655..870 expected for Mon 14:00 (season of 9 days)"."""
    place = "below" if value < low else "above" if value > high else "within"
    band = f"{number(low)}..{number(high)}"
    if low == float("-inf"):
        band = f"up to {number(high)}"
    elif high == float("inf"):
        band = f"{number(low)} or more"
    when = f" for {local:%a %H:%M}" if season == "week" else f" for {local:%H:%M}" if season else ""
    learnt = f" (season of {int(days)} days)" if season else ""
    return f"{number(value)} is {place} {band} expected{when}{learnt}"


def together(look: float, seconds: float) -> str:
    """What is wrong with a window that has no single value to blame: ", but the last 60 min together are too high"."""
    wrong = "are too high" if look == 2.0 else "are too low" if look == -2.0 else "vary too much"
    return f", but the last {length(seconds)} together {wrong}"


def learning(hours: float, needed: float, samples: int, least: int) -> str:
    """ "learning: 3 of 12 h; daily season after 3 days"."""
    if hours < needed:
        unit, seen, goal = ("h", hours, needed) if needed < 72 else ("days", hours / 24, needed / 24)
        return f"learning: {int(seen)} of {goal:.3g} {unit}; daily season after 3 days"
    return f"learning: {samples} of {least} samples"
