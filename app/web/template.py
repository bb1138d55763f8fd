"""Templates and what they may call. Autoescape is on everywhere; the only markup from outside is a cleaned runbook."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from app import figures, units, walltime, wording
from app.incidents.lifecycle import offered
from app.notify.model import hold_of
from app.reason import Code, Reason
from app.signals.model import source_words
from app.web.markdown import html
from app.wording import audited, texts

HERE = Path(__file__).parent
STATIC = HERE / "static"


def web_link(url: str) -> str | None:
    """`url` when it is one to follow: http and https only, so that no label can carry a script."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.netloc else None


@lru_cache(maxsize=64)
def static(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for good."""
    return f"/static/{name}?v={sha256((STATIC / name).read_bytes()).hexdigest()[:8]}"


def path(*parts: object) -> str:
    """A local path of these parts, each quoted."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def _time(at: datetime, zone: ZoneInfo, text: str, tick: str = "") -> Markup:
    ticking = Markup(' data-tick="{}"').format(tick) if tick else ""
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
        at.isoformat(timespec="seconds"), walltime.exact(at, zone), ticking, text
    )


@pass_context
def age(context: Context, at: datetime) -> Markup:
    """How long since, ticking: `3 min 20 s`."""
    return _time(at, context["zone"], units.length(context["now"] - at), "age")


@pass_context
def ago(context: Context, at: datetime) -> Markup:
    """`3 min ago`, ticking."""
    return _time(at, context["zone"], f"{units.length(context['now'] - at)} ago", "ago")


@pass_context
def until(context: Context, at: datetime) -> Markup:
    """`in 3 min 20 s`, ticking; `now` when it has come."""
    left = at - context["now"]
    return _time(at, context["zone"], f"in {units.length(left)}" if left > timedelta(0) else "now", "until")


@pass_context
def clock(context: Context, at: datetime, beside: datetime | None = None) -> Markup:
    """The time of day, with the day when it is not today, or not the day of the time it stands beside."""
    return _time(at, context["zone"], walltime.clock(at, beside or context["now"], context["zone"]))


@pass_context
def why(context: Context, reasons: Iterable[Reason]) -> str:
    """Reasons in one line; when somebody's quiet hours end, as every time of the page, on the visitor's clock."""
    return texts(_here(one, context["now"], context["zone"]) for one in reasons)


def _here(reason: Reason, now: datetime, zone: ZoneInfo) -> Reason:
    if reason.code != Code.QUIET_HOURS or "until" not in reason.facts:
        return reason
    end = datetime.fromisoformat(reason.facts["until"])
    local = f"{end.astimezone(zone):%H:%M}" if abs(end - now) < timedelta(days=1) else walltime.clock(end, now, zone)
    return replace(reason, facts={**reason.facts, "local": local})


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one environment of this process."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "texts": why,
        "hold": hold_of,
        "age": age,
        "ago": ago,
        "until": until,
        "clock": clock,
        "because": wording.because,
        "duration": units.format_duration,
        "web_link": web_link,
        "stamp": lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "figure": lambda value, metric: figures.figure(metric, value),
        "badge": figures.badge,
        "measure": figures.measure,
        "source": source_words,
        "audited": audited,
    }
    made.globals |= {"static": static, "path": path, "units": units, "walltime": walltime, "markdown": html, "offered": offered}
    return made


def render(name: str, /, **facts: Any) -> str:
    """The text of a template."""
    return environment().get_template(name).render(**facts)
