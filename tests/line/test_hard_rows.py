"""One bad row, a crash or an outage must not stop a stage: against the real database."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

import tasks.health
from app import pager, plugins, upkeep
from app.checks import run
from app.checks import service as checks
from app.checks.model import Check, Due, Result
from app.checks.probe import Reading, Series, Status
from app.db import engine, transaction
from app.deliver import claim_pages
from app.notify import store as pages
from app.notify.model import Draft, Kind, PageState
from app.notify.service import PAGE_LIFE
from app.signals.model import Signal, SignalStatus
from tests.sent import intake

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

READINGS = {
    "a label with NUL": Reading(Status.OK, series=(Series("m", 1.0, {"user": "root\0"}),)),
    "a label with half a character": Reading(Status.OK, series=(Series("m", 1.0, {"user": "\ud800"}),)),
    "a label of 100 kB": Reading(Status.OK, series=(Series("m", 1.0, {"user": "x" * 100_000}),)),
    "a number beyond any float": Reading(Status.OK, metrics={"m": 10**400}),
    "a text for a number": Reading(Status.OK, metrics={"m": "7"}),  # type: ignore[dict-item]
    "a number whose sums are none": Reading(Status.OK, metrics={"m": 1.7e308}),
    "not a number": Reading(Status.OK, metrics={"m": float("nan"), "n": float("-inf")}),
    "memory with NUL": Reading(Status.OK, memory={"at": "\0"}),
    "memory that is no JSON": Reading(Status.OK, memory={"at": object()}),
    "a message of control characters": Reading(Status.OK, "\0\x1b[31m\ud800"),
    "nothing": None,
}


WELL = Reading(Status.OK, "well")
PROBES = {
    "odd": """
from app.checks.probe import Reading, Run, Spec, probe
from tests.line.test_hard_rows import READINGS, WELL

class Which(Spec):
    reading: str | None = None

@probe()
def measure(spec: Which, run: Run) -> Reading:
    return WELL if spec.reading is None else READINGS[spec.reading]
""",
    "broken": """
def __getattr__(name: str) -> object:
    raise ImportError("no module named 'nothing_there'")
""",
}


@pytest.fixture(scope="module")
def odd_probes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`health.odd` hands back what its check names; `health.broken` cannot be loaded. Both are found as any probe is."""
    folder = tmp_path_factory.mktemp("health")
    for name, code in PROBES.items():
        (folder / f"{name}.py").write_text(code)
    tasks.health.__path__.append(str(folder))
    yield
    tasks.health.__path__.remove(str(folder))
    plugins.module.cache_clear()
    for name in PROBES:
        sys.modules.pop(f"tasks.health.{name}", None)


@pytest.mark.parametrize("reading", READINGS)
def test_whatever_a_probe_hands_back_becomes_a_result_that_can_be_kept(clean: None, odd_probes: None, reading: str) -> None:
    declared = {"bad": odd(reading=reading), "good": odd()}
    with transaction() as db:
        checks.sync(db, declared, NOW)

    async def measured() -> list[Result]:
        dues = [Due(name, check, NOW, {}) for name, check in declared.items()]
        return [one for batch in [batch async for batch in run.run_batch(dues, NOW)] for one in batch]

    with transaction() as db:
        checks.record(db, asyncio.run(measured()))
    with transaction() as db:
        kept = {row.name: row.status for row in db.execute(text("select name, status from check_state"))}
    assert kept["good"] == "ok"
    assert kept["bad"] in ("ok", "unknown")


def odd(**settings: str) -> Check:
    return Check.model_validate({"probe": "health.odd", "with": settings})


def page(key: str, **more: Any) -> Draft:
    values: Mapping[str, Any] = {
        "kind": Kind.TEST, "user": "ada", "contact": "x", "channel": "nowhere", "due_at": NOW, "reasons": (), **more,
    }  # fmt: skip
    return Draft(key=key, **values)


def test_a_page_whose_sender_died_is_due_again_when_its_lease_ends_even_if_no_other_page_waits(clean: None) -> None:
    with transaction() as db:
        pages.queue_all(db, [page("k")], NOW, PAGE_LIFE)
        (claimed,) = pages.claim(db, NOW, timedelta(seconds=15), 10)
        assert pages.next_due(db) == NOW + timedelta(seconds=15)
        late, warned = NOW + timedelta(seconds=15), NOW + timedelta(seconds=17)
        pages.contest_late(db, late, warned)
        assert pages.next_due(db) == warned
        assert pages.claim(db, warned - timedelta(seconds=1), timedelta(seconds=15), 10) == []
        (again,) = pages.claim(db, warned, timedelta(seconds=15), 10)
    assert (claimed.attempt, again.attempt, again.fence) == (1, 2, claimed.fence + 1)


def test_a_page_that_is_taken_back_after_a_crash_keeps_its_unknown_attempt_unknown(clean: None) -> None:
    with transaction() as db:
        pages.queue_all(db, [page("k")], NOW, PAGE_LIFE)
        pages.claim(db, NOW, timedelta(seconds=15), 10)
        pages.contest_late(db, NOW + timedelta(seconds=15), NOW + timedelta(seconds=15))
        second = pages.claim(db, NOW + timedelta(seconds=15), timedelta(seconds=15), 10)
        pages.end_claims(db, second, PageState.SUPERSEDED, NOW)
        outcomes = list(db.scalars(text("select outcome from page_attempt order by n")))
    assert outcomes == ["unknown", "permanent"]


def test_pages_that_nobody_needs_any_more_do_not_hide_those_behind_them(clean: None) -> None:
    stale = [page(f"s{n}", kind=Kind.PAGE, incident=999, user=None) for n in range(70)]
    with transaction() as db:
        pages.queue_all(db, [*stale, page("live", due_at=NOW + timedelta(seconds=1))], NOW, PAGE_LIFE)
    assert [job.claim.draft.key for job in claim_pages(now=NOW + timedelta(seconds=1))] == ["live"]


def test_of_waiting_pages_the_oldest_is_taken_first(clean: None) -> None:
    seconds = {"third": 2, "first": 0, "second": 1}  # in the order of their ids
    later, lease, taken = NOW + timedelta(minutes=1), timedelta(seconds=15), []
    with transaction() as db:
        pages.queue_all(
            db, [page(key, due_at=NOW + timedelta(seconds=after)) for key, after in seconds.items()], NOW, PAGE_LIFE
        )
        for _ in seconds:
            taken += pages.claim(db, later, lease, 1)
    assert [one.draft.key for one in taken] == ["first", "second", "third"]


def test_a_stage_that_breaks_keeps_no_other_stage_from_its_work(clean: None) -> None:
    intake("user:t", [Signal("user:t", "k", SignalStatus.FIRING, "k")], NOW)
    with engine().begin() as db:
        db.execute(text("alter table check_state rename to check_state_away"))
    try:
        with pytest.raises(ProgrammingError, match="check_state"):
            pager.decide(NOW)
    finally:
        with engine().begin() as db:
            db.execute(text("alter table check_state_away rename to check_state"))
    with transaction() as db:
        assert db.scalar(text("select count(*) from incident")) == 1
        assert db.scalar(text("select state from escalation")) == "exhausted"  # nobody is to be paged, and it says so


def test_partitions_are_made_although_rows_of_one_day_came_before_its_partition(clean: None) -> None:
    late = datetime(2031, 5, 5, 12, tzinfo=UTC)
    with transaction() as db:
        db.execute(text("insert into sample (check_name, metric, at, value) values ('c', 'm', :at, 1)"), {"at": late})
        upkeep.make_partitions(db, late)
        made = set(db.scalars(text("select relname from pg_class where relname like 'sample_2031%'")))
        assert "sample_20310506" in made
        upkeep.drop_old(db, late + timedelta(days=4000))
        assert db.execute(text("select count(*) from sample")).scalar_one() == 0


def test_a_probe_whose_module_breaks_is_a_result_and_its_batch_goes_on(odd_probes: None) -> None:
    due = Due("x", Check.model_validate({"probe": "health.broken"}), datetime.now(UTC), {})
    reading = asyncio.run(run.take(due))
    assert reading.status == "unknown"
    assert "cannot be loaded" in reading.message
