"""Where an alert would go, asked ahead of time, is where it goes: the same decision over the same rows."""

import random
from datetime import datetime, timedelta

import pytest

from app import line
from app.actions import service as actions
from app.alerts.label import asked
from app.alerts.label import labels as labelled
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Conflict
from app.incidents.joining import board_at
from app.incidents.model import Incident, IncidentState
from app.incidents.place import How, batch, place
from app.incidents.search import store as search
from app.incidents.search.model import Search
from app.incidents.service import in_force
from app.people.model import SYSTEM, Actor, Role
from app.review.preview import alert_of
from app.signals.model import Signal, SignalStatus
from tests.decisions.words import NOON
from tests.sent import intake

CONFIG = """
users: {ada: {role: admin}}
hours: {day: {from: "08:00", to: "20:00"}}
policies: {calm: {steps: [{page: "user:ada"}]}, loud: {steps: [{page: "user:ada"}]}, critical: {steps: [{page: "user:ada"}]}}
routes:
  - {match: 'severity="critical"', policy: critical}
  - {match: 'loud="yes"', policy: loud, urgency: high}
  - {match: 'team="night"', policy: calm, urgency: {during: day, then: high, else: low}}
  - {policy: calm, urgency: low}
grouping: [{by: [group], window: 5m, reopen: 10m, resolve_after: 1m}]
"""
BO = Actor("ada", Role.ADMIN, "api")


def event(rng: random.Random, n: int) -> Signal:
    labels = {"group": rng.choice("xy"), "loud": rng.choice(["yes", "no"]), "team": rng.choice(["night", "x"])}
    return Signal("user:t", f"k{n}", SignalStatus.FIRING, f"s{n}", rng.choice(list(Severity)), f"k{n}", labels=labels)


def known() -> dict[int, Incident]:
    with transaction() as db:
        found = search.found(db, Search(), limit=500)
    return {one.number: one for one in found}


def ahead(signal: Signal, now: datetime) -> tuple[How, Incident]:
    """What it would come to, without a lock or a write."""
    with transaction() as db:
        routing = in_force(db)
        same = asked({**signal.labels, "alertname": signal.alertname or ""}, signal.severity)
        alert = alert_of(same, labelled(same, catalog.services(db), routing.timetable.open_at(now)), now)
        alone = batch([alert], set(), catalog.groupings(db))
        (touched,) = place(alone, board_at(db, alone.groups[alert.id], now), routing, now).touched
    return touched.how, touched.incident


def somebody_acts(rng: random.Random, now: datetime) -> None:
    open_ = [one.number for one in known().values() if one.state is not IncidentState.RESOLVED]
    every = sorted(known())
    act = rng.choice(["ack", "resolve", "merge", "reopen", "nothing", "nothing"])
    try:
        with transaction() as db:
            if act == "ack" and open_:
                actions.acknowledge(db, rng.choice(open_), BO, now)
            elif act == "resolve" and open_:
                actions.resolve(db, rng.choice(open_), BO, now)
            elif act == "reopen" and every:
                actions.reopen(db, rng.choice(every), BO, now)
            elif act == "merge" and len(open_) > 1:
                one, other = rng.sample(open_, 2)
                actions.merge(db, one, other, BO, now)
    except Conflict:
        return


@pytest.mark.parametrize("seed", range(8))
def test_an_alert_comes_to_the_incident_that_was_foretold(clean: None, seed: int) -> None:
    rng, now = random.Random(seed), NOON
    loaded = load_texts({"a.yaml": CONFIG}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, now)
    firing: list[Signal] = []
    seen = set()
    for n in range(25):
        now += timedelta(seconds=rng.choice([1, 30, 200, 400, 900, 4 * 3600]))
        line.dedup(now)
        somebody_acts(rng, now)
        if firing and rng.random() < 0.6:
            over = firing.pop(rng.randrange(len(firing)))
            intake("user:t", [Signal("user:t", over.key, SignalStatus.RESOLVED, over.summary)], now)
            line.dedup(now)
        signal = event(rng, n)
        before, (how, foretold) = known(), ahead(signal, now)
        intake("user:t", [signal], now)
        line.dedup(now)
        firing.append(signal)
        after = known()
        opened = sorted(set(after) - set(before))
        assert (how is How.OPENED) is bool(opened), (n, how, foretold)
        number = opened[0] if opened else foretold.number
        found = after[number]
        for name in ("group_key", "state", "severity", "urgency", "policy_name", "hours", "during", "urgency_at", "generation"):
            assert getattr(found, name) == getattr(foretold, name), (n, how, name)
        seen.add(how)
    assert {How.OPENED, How.QUIET} <= seen
