"""Lengths of time and numbers, in the words people use. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def length(seconds: float) -> str:
    """The two largest units that matter: `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`; seconds are left out after an hour."""
    left = int(abs(seconds))
    for index, (size, unit) in enumerate(_UNITS):
        if left >= size:
            count, rest = divmod(left, size)
            small = _UNITS[index + 1] if index < 3 else None
            lower = rest // small[0] if small and not (small[1] == "s" and count >= 10) else 0
            return f"{count} {unit} {lower} {small[1]}" if small and lower else f"{count} {unit}"
    return "0 s"


def day(at: datetime, zone: ZoneInfo) -> str:
    """`Mon 23 Nov`."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b}"


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`14:05` today, `Tue 24 Nov 14:05` otherwise, with the year when it is another one."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{day(at, zone)}{year} {local:%H:%M}"


def exact(at: datetime, zone: ZoneInfo) -> str:
    """The whole moment, for the tooltip: `Mon 23 Nov 2026 14:05:09 CET`."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M:%S %Z}"


def number(value: float | None) -> str:
    """A figure as people read it: up to four digits that matter, `12.3k` from ten thousand on."""
    if value is None:
        return "–"
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:.4g}" if size >= 1e-4 or size == 0 else f"{value:.2e}"


# Metric names end in their unit (docs: adding a probe); what follows here is how that unit is shown.
def figure(metric: str, value: float | None) -> str:
    """A metric's value with the unit its name carries: `free_bytes` 1.5e9 -> `1.5 GB`."""
    if value is None:
        return "–"
    if metric.endswith("seconds"):
        return f"{value * 1000:.3g} ms" if abs(value) < 1 else length(value) if value >= 120 else f"{value:.3g} s"
    if metric.endswith("bytes"):
        return _bytes(value)
    if metric.endswith("percent"):
        return f"{value:.3g} %"
    return number(value)


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
