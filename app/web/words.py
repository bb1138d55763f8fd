"""Numbers in the words people use. Pure."""

from app.units import measured


def number(value: float | None) -> str:
    """A figure as people read it: up to four digits that matter, `12.3k` from ten thousand on."""
    if value is None:
        return "–"
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
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
        return _bytes(value)
    if metric.endswith("percent"):
        return f"{value:.3g} %"
    return number(value)


def measure(metric: str) -> str:
    """A metric's name beside its figure, which has the unit: `memory_used_percent` -> `memory used`, `seconds`: `duration`."""
    name = next((metric.removesuffix(unit) for unit in ("_seconds", "_bytes", "_percent") if metric.endswith(unit)), metric)
    return "duration" if name == "seconds" else name.replace("_", " ")


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
