"""A check that is paused until a time goes on by itself where due checks are claimed, exactly as if somebody resumed it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import line
from app.actions.check import pause, resume
from app.checks import service as checks
from app.checks import store
from app.checks.pause import LONGEST, facts, forgotten
from app.checks.pause import pause as made
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Denied, Invalid, NotFound
from app.people.model import SYSTEM, Actor, Role
from app.people.store import audited

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ED = Actor("ed", Role.EDITOR, "api")
CONFIG = "routes: []\nchecks: {web: {probe: health.tcp, every: 1m, with: {host: 127.0.0.1, port: 9}}}"


@pytest.fixture
def web(clean: None) -> None:
    loaded = load_texts({"a.yaml": CONFIG}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, NOON)


def row() -> dict[str, Any]:
    with transaction() as db:
        return dict(db.execute(text("select * from check_state")).mappings().one())


def paused(until: datetime | None = None, now: datetime = NOON) -> None:
    with transaction() as db:
        pause(db, "web", ED, now, until=until, reason="moved")


def lines() -> list[tuple[str | None, str, dict[str, Any]]]:
    with transaction() as db:
        return [(one.actor, one.action, dict(one.detail)) for one in audited(db, object_="check:web", limit=9)][::-1]


def test_it_is_not_claimed_before_and_is_at_its_end(web: None) -> None:
    paused(NOON + HOUR)
    assert line.dispatch(["health"], NOON + HOUR - timedelta(seconds=1)) == []
    (batch,) = line.dispatch(["health"], NOON + HOUR)
    assert batch.names == ("web",)
    with transaction() as db:
        state = store.states(db)["web"]
    assert (state.paused, state.pause) == (False, None)


def test_it_counts_afresh_as_when_somebody_resumes_it(web: None) -> None:
    rows = []
    for by_hand in (True, False):
        paused(None if by_hand else NOON + HOUR)
        if by_hand:
            with transaction() as db:
                resume(db, "web", ED, NOON + HOUR)
        else:
            with transaction() as db:
                assert list(store.end_pauses(db, NOON + HOUR)) == ["web"]
        rows.append(row())
    assert rows[0] == rows[1]


def test_one_whose_end_comes_while_nothing_runs_counts_from_when_something_does(web: None) -> None:
    paused(NOON + HOUR)
    line.dispatch(["health"], NOON + 5 * HOUR)
    assert row()["evaluate_at"] == NOON + 5 * HOUR + timedelta(minutes=3)


def test_whoever_runs_overdue_checks_without_celery_ends_pauses_too(web: None) -> None:
    paused(NOON + HOUR)
    with transaction() as db:
        assert [one.name for one in checks.take_overdue(db, ["health"], NOON + HOUR, timedelta(0), 9)] == ["web"]


def test_without_an_end_it_stays_until_somebody_resumes_it(web: None) -> None:
    paused()
    assert line.dispatch(["health"], NOON + 300 * 24 * HOUR) == []


def test_a_pause_is_changed_by_pausing_again_and_kept_when_the_configuration_is_applied(web: None) -> None:
    paused(NOON + HOUR)
    paused(NOON + 2 * HOUR, NOON + HOUR / 2)
    with transaction() as db:
        apply(db, load_texts({"a.yaml": CONFIG.replace("1m", "2m")}, {}), SYSTEM, NOON + HOUR)
    assert line.dispatch(["health"], NOON + HOUR) == []
    assert line.dispatch(["health"], NOON + 2 * HOUR)


def test_every_change_is_audited_with_what_was_before(web: None) -> None:
    paused(NOON + HOUR)
    line.dispatch(["health"], NOON + HOUR)
    none = facts(None)
    pause_ = {"paused": True, "until": (NOON + HOUR).isoformat(), "reason": "moved", "by": "ed"}
    assert lines() == [
        ("ed", "check.pause", {"before": none, "after": pause_}),
        (None, "check.resume", {"before": pause_, "after": none}),
    ]


def test_what_is_not_paused_is_not_resumed(web: None) -> None:
    line.dispatch(["health"], NOON)
    before = row()
    with transaction() as db:
        resume(db, "web", ED, NOON + HOUR)
    assert (row(), lines()) == (before, [])


def test_all_whose_pause_is_over_go_on_at_once_each_with_its_line(clean: None) -> None:
    names = ("one", "two", "three")
    check = "{probe: health.tcp, every: 1m, with: {host: 127.0.0.1, port: 9}}"
    declared = ", ".join(f"{name}: {check}" for name in names)
    with transaction() as db:
        apply(db, load_texts({"a.yaml": f"routes: []\nchecks: {{{declared}}}"}, {}), SYSTEM, NOON)
        for name, hours in zip(names, (1, 1, 2), strict=True):
            pause(db, name, ED, NOON, until=NOON + hours * HOUR)
    (batch,) = line.dispatch(["health"], NOON + HOUR)
    assert sorted(batch.names) == ["one", "two"]
    with transaction() as db:
        resumed = audited(db, action="check.resume", limit=9)
    assert sorted(one.object for one in resumed) == ["check:one", "check:two"]
    before = {"paused": True, "until": (NOON + HOUR).isoformat(), "by": "ed"}
    assert [one.detail for one in resumed] == [{"before": before, "after": {"paused": False, "until": None, "by": None}}] * 2


def test_what_is_refused(web: None) -> None:
    with transaction() as db:
        for until in (NOON, NOON - HOUR, NOON + LONGEST + HOUR):
            with pytest.raises(Invalid):
                pause(db, "web", ED, NOON, until=until)
        with pytest.raises(Invalid):
            pause(db, "web", ED, NOON, reason="x" * 501)
        with pytest.raises(NotFound):
            pause(db, "nope", ED, NOON)
        with pytest.raises(Denied):
            pause(db, "web", Actor("al", Role.RESPONDER, "api"), NOON)
    assert row()["paused"] is False


def test_those_without_an_end_or_for_long_are_named() -> None:
    week = timedelta(days=7)
    pauses = {
        "endless": made(NOON, "ed"),
        "long": made(NOON - week - HOUR, "ed", NOON + HOUR),
        "short": made(NOON - HOUR, "ed", NOON + week),
    }
    assert forgotten(pauses, NOON) == ["endless", "long"]
