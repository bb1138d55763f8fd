"""Heartbeats as Healthchecks' management API writes and reads them (v1 to v3). Pure.

What has no meaning here (channels, methods, keyword filters) is taken and left alone; `tags` and `desc` are labels.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.checks.heartbeats.model import SLUG, Cron, Heartbeat, HeartbeatRecord, PingRecord
from app.checks.heartbeats.present import LATE, shown_state
from app.people.model import Zone

YEAR = 31_536_000  # seconds
STATUS = {LATE: "grace"}
Seconds = Annotated[int, Field(ge=60, le=YEAR)]


class Spec(BaseModel):
    """What may be posted; all of it may be missing."""

    model_config = ConfigDict(extra="ignore", strict=True)

    name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f/]*$")] | None = None
    slug: Annotated[str, Field(max_length=SLUG, pattern=r"^[a-z0-9_-]*$")] | None = None
    tags: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] | None = None
    desc: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] | None = None
    timeout: Seconds | None = None
    grace: Seconds | None = None
    schedule: Cron | None = None
    tz: Zone | None = None
    unique: list[Literal["name", "slug", "tags", "timeout", "grace"]] = Field(default_factory=list)


def changed(known: Heartbeat | None, spec: Spec) -> dict[str, Any]:
    """The stored form after `spec`, on top of what is known; one that is new is expected every day, with an hour's grace."""
    after: dict[str, Any] = known.model_dump(mode="json", exclude_unset=True) if known else {"every": "1d", "grace": "1h"}
    if spec.schedule is not None:
        after.pop("every", None)
        after["cron"] = spec.schedule
    elif spec.timeout is not None:
        after.pop("cron", None)
        after["every"] = f"{spec.timeout}s"
    if spec.grace is not None:
        after["grace"] = f"{spec.grace}s"
    if spec.tz is not None:
        after["timezone"] = spec.tz
    given = {key: value for key in ("tags", "desc") if (value := getattr(spec, key)) is not None}
    if given:
        after["labels"] = {key: value for key, value in {**after.get("labels", {}), **given}.items() if value or key != "desc"}
    return Heartbeat.model_validate(after).model_dump(mode="json", exclude_unset=True)


def same(one: HeartbeatRecord, spec: Spec) -> bool:
    """Whether this is the one that `unique` means: equal in every field it lists, all of which are given."""
    shown = {"name": one.name, "slug": one.slug, "tags": one.spec.labels.get("tags", ""), **_durations(one.spec)}
    given = spec.model_dump()
    return bool(spec.unique) and all(given[key] is not None and given[key] == shown.get(key) for key in spec.unique)


def check(one: HeartbeatRecord, now: datetime, url: str, base: str) -> dict[str, Any]:
    """A heartbeat as its clients expect it; `base` is the address of the API it is asked over."""
    spec, beat = one.spec, one.beat
    state, here = shown_state(beat.state, one.expected_at, now), f"{base}/checks/{one.uuid}"
    shown: dict[str, Any] = {
        "name": one.name, "slug": one.slug, "tags": spec.labels.get("tags", ""), "n_pings": one.pings,
        "desc": spec.labels.get("desc", ""),
        "status": STATUS.get(state, state), "started": bool(beat.runs), "last_ping": _instant(beat.last_ping),
        "next_ping": _instant(one.expected_at) if state in ("up", LATE) else None, "manual_resume": False, "methods": "",
        "subject": "", "subject_fail": "", "start_kw": "", "success_kw": "", "failure_kw": "", "filter_subject": False,
        "filter_body": False, "filter_http_body": False, "filter_default_fail": False, "badge_url": "", "channels": "",
        "uuid": str(one.uuid), "ping_url": f"{url}/ping/{one.uuid}", "update_url": here, "pause_url": f"{here}/pause",
        "resume_url": f"{here}/resume", **_durations(spec),
    }  # fmt: skip
    if beat.run_seconds is not None:
        shown["last_duration"] = int(beat.run_seconds)
    if spec.cron is not None:
        shown |= {"schedule": spec.cron, "tz": one.zone}
    return shown


def ping(one: PingRecord, here: str) -> dict[str, Any]:
    """One of its pings; `here` is the address of its heartbeat's API."""
    shown: dict[str, Any] = {
        "type": one.kind.value, "date": _instant(one.at), "n": one.n, "scheme": "http", "remote_addr": one.remote,
        "method": one.method, "ua": one.agent, "rid": one.rid,
        "body_url": f"{here}/pings/{one.n}/body" if one.body_bytes else None,
    }  # fmt: skip
    return {**shown, **({"duration": one.seconds} if one.seconds is not None else {})}


def free_name(spec: Spec, taken: set[str]) -> str:
    """What a new one is called; a number behind it where there is one of that name already."""
    wanted = (spec.name or "").strip() or spec.slug or "heartbeat"
    numbered = (f"{wanted} {number}" for number in range(2, len(taken) + 3))
    return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def _durations(spec: Heartbeat) -> dict[str, int]:
    every = {"timeout": int(spec.every.total_seconds())} if spec.every is not None else {}
    return {**every, "grace": int(spec.grace.total_seconds())}


def _instant(at: datetime | None) -> str | None:
    return at.replace(microsecond=0).isoformat() if at is not None else None
