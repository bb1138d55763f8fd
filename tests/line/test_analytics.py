"""The figures of the analytics, held to a model that counts in Python what was put into the database."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from random import Random
from statistics import fmean, quantiles
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from app.review.analytics.calendar import asked
from app.review.analytics.model import Analytics, Figures, Filter, Listing, Spread
from app.review.analytics.service import analytics

PARIS, UTC_ZONE = ZoneInfo("Europe/Paris"), ZoneInfo("UTC")
ZONES = {"ada": "Europe/Paris", "bo": "America/New_York", "cy": "Asia/Kolkata"}
NOW = datetime(2026, 11, 5, 15, tzinfo=UTC)  # clocks changed on 25 October and 1 November
ANSWERS = ("acknowledged", "snoozed")
SEVERITIES = ("critical", "error", "warning", "info")


@dataclass
class Incident:
    """One incident, and what belongs to it. events: when, kind, actor, via."""

    number: int
    opened: datetime
    severity: str
    service: str | None
    team: str | None
    alert: tuple[str, str] | None
    state: str = "triggered"
    acknowledged: datetime | None = None
    resolved: datetime | None = None
    resolved_by: str | None = None
    merged: int | None = None
    reopened: datetime | None = None
    events: list[tuple[datetime, str, str | None, str | None]] = field(default_factory=list)
    steps: list[tuple[int, int | None]] = field(default_factory=list)  # round and step

    @property
    def needed_nobody(self) -> bool:
        by_hand = [kind for _, kind, who, via in self.events if kind in ANSWERS or (kind == "resolved" and (who or via))]
        return self.state == "resolved" and self.resolved_by is None and self.merged is None and not by_hand

    @property
    def first_acknowledged(self) -> float | None:
        times = [at for at, kind, _, _ in self.events if kind in ANSWERS]
        return (min(times) - self.opened).total_seconds() if times else None

    @property
    def took(self) -> float | None:
        done = self.resolved is not None and self.state == "resolved" and self.merged is None
        return (self.resolved - self.opened).total_seconds() if done and self.resolved else None

    @property
    def escalated(self) -> bool:
        return any(round_ > 0 or (step or 0) > 1 for round_, step in self.steps)


@dataclass
class Page:
    """One message."""

    incident: Incident
    at: datetime
    user: str | None
    channel: str
    state: str
    kind: str

    @property
    def counts(self) -> bool:
        reached = self.state in ("accepted", "delivered")
        return reached and self.kind == "page" and self.user is not None and self.channel != "inbox"

    @property
    def local(self) -> datetime:
        return self.at.astimezone(ZoneInfo(ZONES.get(self.user or "", "UTC")))

    @property
    def night(self) -> bool:
        return self.local.time() >= time(22) or self.local.time() < time(7)


def world(random: Random) -> tuple[list[Incident], list[Page]]:
    """Three weeks of incidents and pages."""
    incidents, pages = [], []
    for number in range(1, random.randrange(2, 160)):
        opened = NOW - timedelta(seconds=random.randrange(21 * 86_400))
        alert = random.choice([("disk", "rule:disk"), ("disk", "integration:prom"), ("latency", "check:web"), None])
        service, team = random.choice([("shop", "web"), ("db", "infra"), ("cache", "infra"), (None, None)])
        made = Incident(number, opened, random.choice(SEVERITIES), service, team, alert)
        live(made, random)
        incidents.append(made)
        for _ in range(random.randrange(4)):
            page = Page(
                made, opened + timedelta(minutes=random.randrange(900)), random.choice(["ada", "bo", "cy", "gone", None]),
                random.choice(["sms", "email", "inbox"]),
                random.choice(["accepted", "delivered", "delivered", "failed", "queued"]),
                random.choice(["page", "page", "page", "update", "resolved"]),
            )  # fmt: skip
            pages.append(page)
    return incidents, pages


def live(one: Incident, random: Random) -> None:
    """Let it be acknowledged, snoozed, reopened, resolved or merged, or nothing of it."""
    at = one.opened
    for kind in random.choice([(), (), (), ("acknowledged",), ("snoozed", "acknowledged"), ("resolved",)]):
        at += timedelta(seconds=random.randrange(1, 4000))
        who, via = random.choice([("ada", "console"), (None, "link"), ("bo", "api")])
        one.events.append((at, kind, who, via))
        one.acknowledged = at if kind != "resolved" and random.random() < 0.8 else None  # it may have run out since
    if random.random() < 0.2:
        one.reopened = at
    if random.random() < 0.8:
        at += timedelta(seconds=random.randrange(1, 90_000))
        one.state, one.resolved = "resolved", at
        one.resolved_by, through = random.choice([(None, None), (None, None), ("ada", "console"), (None, "link")])
        one.events.append((at, "resolved", one.resolved_by, through))
        one.merged = 1 if random.random() < 0.1 else None
    elif one.acknowledged:
        one.state = "acknowledged"
    one.events.append((at, "note", "ada", "console"))
    one.steps = random.choice([[], [(0, 1)], [(0, None)], [(0, 1), (0, 2)], [(0, 1), (1, 1)], [(0, 1), (1, None)]])


def insert(db: Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f":{name}" for name in row)
    db.execute(text(f"insert into {table} ({names}) overriding system value values ({values})"), row)


def store(db: Connection, incidents: Iterable[Incident], pages: Iterable[Page]) -> None:
    """Put it all into the tables."""
    for login, zone in ZONES.items():
        insert(db, "person", {"login": login, "spec": json.dumps({"timezone": zone}), "declared": True, "created_at": NOW})
    for one in incidents:
        if one.alert:
            insert(db, "alert", {
                "id": one.number, "fingerprint": str(one.number), "source": one.alert[1], "key": "", "alertname": one.alert[0],
                "state": "resolved", "severity": "error", "summary": "", "labels": "{}", "annotations": "{}", "links": "[]",
                "starts_at": one.opened, "seen_at": one.opened, "ends_at": one.opened,
            })  # fmt: skip
        insert(db, "incident", {
            "number": one.number, "group_key": str(one.number), "title": "", "state": one.state, "severity": one.severity,
            "urgency": "high", "service": one.service, "team": one.team, "labels": "{}", "opened_at": one.opened,
            "acknowledged_at": one.acknowledged, "resolved_at": one.resolved, "resolved_by": one.resolved_by,
            "merged_into": one.merged, "reopened_at": one.reopened, "titled_by": one.number if one.alert else None,
        })  # fmt: skip
        for at, kind, actor, via in one.events:
            detail = json.dumps({"by": actor} | ({"via": via} if via else {}))
            insert(db, "incident_event", {"incident": one.number, "at": at, "kind": kind, "actor": actor, "detail": detail})
        for round_, step in one.steps:
            row = {"incident": one.number, "generation": 1, "round": round_, "step": step, "target": "x", "made_at": one.opened}
            insert(db, "obligation", row)
    for n, page in enumerate(pages):
        insert(db, "page", {
            "key": str(n), "kind": page.kind, "incident": page.incident.number, "generation": 1, "round": 0,
            "user_name": page.user, "channel": page.channel, "state": page.state, "reasons": "[]", "made_at": page.at,
            "due_at": page.at, "next_at": page.at, "expires_at": page.at,
            "ended_at": None if page.state == "queued" else page.at,
        })  # fmt: skip


def figures(pages: Iterable[Page], incidents: Iterable[Incident]) -> tuple[int, ...]:
    """What is counted of these."""
    paged, opened = list(pages), list(incidents)
    return (
        len(paged),
        sum(one.night for one in paged),
        sum(one.local.weekday() >= 5 for one in paged),
        sum(one.incident.needed_nobody for one in paged),
        sum(one.incident.needed_nobody and one.night for one in paged),
        len(opened),
        sum(one.needed_nobody for one in opened),
        sum(one.reopened is not None for one in opened),
        sum(one.escalated for one in opened),
    )


def found(of: Figures) -> tuple[int, ...]:
    """The same of an answer."""
    paged, opened = of.paged, of.opened
    return (
        paged.pages, paged.night, paged.weekend, paged.needed_nobody, paged.night_needed_nobody,
        opened.incidents, opened.needed_nobody, opened.reopened, opened.escalated,
    )  # fmt: skip


def check_spread(of: Spread, values: list[float | None]) -> None:
    known = [one for one in values if one is not None]
    assert (of.count, of.without) == (len(known), len(values) - len(known))
    if not known:
        assert (of.mean, of.median, of.p90) == (None, None, None)
        return
    cuts = quantiles(known, n=10, method="inclusive") if len(known) > 1 else known * 9
    assert (of.mean, of.median, of.p90) == pytest.approx((fmean(known), cuts[4], cuts[8]))


def check_listing(
    of: Listing, pages: list[Page], incidents: list[Incident], key: Callable[[Incident, Page | None], Any]
) -> None:
    wanted = {key(one.incident, one) for one in pages} | {key(one, None) for one in incidents} - {"nothing"}
    assert {(row.key.name, row.key.source) for row in of.rows} == wanted
    for row in of.rows:
        name = (row.key.name, row.key.source)
        mine = [one for one in incidents if key(one, None) == name]
        assert found(row.now) == figures([one for one in pages if key(one.incident, one) == name], mine), name


@pytest.mark.parametrize(
    "only", [Filter(), Filter(service="db"), Filter(team="infra", user="bo"), Filter(user="gone")], ids=str
)
@pytest.mark.parametrize("seed", range(4))
def test_every_figure_is_what_a_model_counts(db: Connection, seed: int, only: Filter) -> None:
    random = Random(seed)
    incidents, pages = world(random)
    store(db, incidents, pages)
    zone = random.choice([PARIS, ZoneInfo("America/New_York"), UTC_ZONE])
    within = asked(random.choice([1, 7, 9]), None, None, zone, NOW)
    made = analytics(db, within, only)

    of = [one for one in incidents if only.service in (None, one.service) and only.team in (None, one.team)]
    paged = [one for one in pages if one.counts and one.incident in of and only.user in (None, one.user)]
    if only.user:
        of = [one for one in of if any(page.incident is one for page in paged)]
    now = [one for one in paged if within.start <= one.at < within.end]
    opened = [one for one in of if within.start <= one.opened < within.end]
    assert found(made.total.now) == figures(now, opened)
    check_spread(made.total.now.opened.acknowledge, [one.first_acknowledged for one in opened])
    check_spread(made.total.now.opened.resolve, [one.took for one in opened])
    before = [one for one in paged if within.before_start <= one.at < within.before_end]
    opened_before = [one for one in of if within.before_start <= one.opened < within.before_end]
    assert found(made.total.before) == figures(before, opened_before)

    for day in made.days:
        of_day = [one for one in now if one.at.astimezone(zone).date() == day.day]
        assert (day.paged.pages, day.paged.night) == (len(of_day), sum(one.night for one in of_day))
        assert day.severities == Counter(one.severity for one in opened if one.opened.astimezone(zone).date() == day.day)
    check_listing(made.services, now, opened, lambda one, _: (one.service, None))
    check_listing(made.teams, now, opened, lambda one, _: (one.team, None))
    check_listing(made.alerts, now, opened, lambda one, _: one.alert or (None, None))
    check_listing(made.users, now, opened, lambda _, page: (page.user, None) if page else "nothing")


def test_what_costs_most_sleep_for_nobody_stands_first(db: Connection) -> None:
    quiet, loud = (
        Incident(n, NOW - timedelta(hours=14), "error", "shop", "web", (name, "rule:x"))
        for n, name in ((1, "quiet"), (2, "loud"))
    )
    for one in (quiet, loud):
        one.state, one.resolved = "resolved", NOW - timedelta(hours=13)
    loud.events.append((NOW - timedelta(hours=13), "acknowledged", "ada", "console"))
    night = NOW.replace(hour=1)
    store(
        db,
        [quiet, loud],
        [Page(quiet, night, "ada", "sms", "delivered", "page")] + [Page(loud, night, "ada", "sms", "accepted", "page")] * 5,
    )
    made = analytics(db, asked(7, None, None, PARIS, NOW), Filter())
    assert [row.key.name for row in made.alerts.rows] == ["quiet", "loud"]


def test_nothing_happened(db: Connection) -> None:
    made = analytics(db, asked(7, None, None, PARIS, NOW), Filter())
    assert found(made.total.now) == found(made.total.before) == (0,) * 9
    assert [day.incidents for day in made.days] == [0] * 7
    assert made.alerts == Listing((), 0)


def test_a_list_that_is_long_says_how_much_more_there_is(db: Connection) -> None:
    store(db, [Incident(n, NOW - timedelta(hours=1), "error", f"s{n}", None, None) for n in range(1, 58)], [])
    made = analytics(db, asked(7, None, None, PARIS, NOW), Filter())
    assert (len(made.services.rows), made.services.more) == (50, 7)


def test_no_more_is_read_than_the_ranges(db: Connection) -> None:
    """The statements have the words of the indexes, which serve no others. Which one is read of few rows would be chance."""
    made = [Incident(n, NOW - timedelta(days=n), "error", None, None, None, steps=[(0, 2)]) for n in range(1, 400)]
    for one in made:
        one.events.append((one.opened, "acknowledged", "ada", "console"))
    store(db, made, [Page(one, one.opened, "ada", f"channel-{one.number % 40}", "delivered", "page") for one in made])
    db.execute(text("analyze incident, incident_event, obligation, page"))
    db.execute(text("set local enable_seqscan = off"))
    seen = asked(7, None, None, PARIS, NOW)
    for name in ("incident_opened_idx", "incident_event_answered_idx", "obligation_escalated_idx", "page_reached_idx"):
        assert scans(db, name, lambda: analytics(db, seen, Filter())) > 0, name


def scans(db: Connection, index: str, work: Callable[[], Analytics]) -> int:
    """How often an index was read meanwhile."""
    count = text("select pg_stat_get_xact_numscans(cast(:name as regclass))")
    before = db.scalar(count, {"name": index})
    work()
    return int(db.scalar(count, {"name": index}) or 0) - int(before or 0)
