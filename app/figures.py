"""Numbers in the words people use. Pure."""

from app.units import BYTES, measured, rounded, scaled

# What three digits of it make the first of its unit: 999,600 is 1M, not 1000k. Thousands begin later: 9,999 is as short.
_UNITS = ((999.5e9, 1e12, "T"), (999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (9999.5, 1e3, "k"))


def number(value: float | None) -> str:
    """A figure as people read it: up to four digits that matter, `12.3k` from ten thousand on."""
    if value is None:
        return "–"
    size = abs(value)
    for least, one, unit in _UNITS:
        if size >= least:
            return f"{rounded(value / one)}{unit}"
    return f"{value:.4g}" if size >= 1e-4 or size == 0 else f"{value:.2e}"


def badge(count: int) -> str:
    """A count where there is little room: `999+` from a thousand on."""
    return str(count) if count < 1000 else "999+"


# Metric names end in their unit (docs: adding a probe); what follows here is how that unit is shown.
def figure(metric: str, value: float | None) -> str:
    """A metric's value with the unit its name carries: `free_bytes` 1.5e9 -> `1.5 GB`."""
    if value is None:
        return "–"
    if metric.endswith("seconds"):
        return measured(value)
    if metric.endswith("bytes"):
        return scaled(value, BYTES, 1000)
    if metric.endswith("percent"):
        return f"{rounded(value)} %"
    if metric.endswith("burn_rate"):
        return f"{rounded(value)}×"
    return number(value)


def measure(metric: str) -> str:
    """A metric's name beside its figure, which has the unit: `memory_used_percent` -> `memory used`, `seconds`: `duration`."""
    name = next((metric.removesuffix(unit) for unit in ("_seconds", "_bytes", "_percent") if metric.endswith(unit)), metric)
    return "duration" if name == "seconds" else name.replace("_", " ")
