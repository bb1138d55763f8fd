"""Senders repeat what still fires. What changes nothing goes no further; whatever might change something does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, text

from app import clock, line
from app.api.desk import RECALL, Posted, Taken, take
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Invalid, NotFound
from app.people.model import SYSTEM
from app.signals.recall import digest

CONFIGURATION = """
defaults: {timezone: UTC}
platform: {owners: ["user:ada"]}
users: {ada: {role: admin}}
teams: {shop: {members: [ada]}}
services: {shop: {team: shop}}
policies: {rest: {steps: [{page: "user:ada"}]}}
routes: [{policy: rest}]
"""
DISK = {"key": "disk", "summary": "disk full", "service": "shop", "severity": "warning", "labels": {"host": "db1"}}
OTHER = {"key": "cpu", "summary": "cpu busy", "service": "shop"}


def put(configuration: str) -> None:
    with transaction() as db:
        apply(db, load_texts({"all.yaml": configuration}, {}), SYSTEM, clock.now(db))


@pytest.fixture(autouse=True)
def configured(clean: None) -> None:
    put(CONFIGURATION)


def body(*events: dict[str, Any]) -> bytes:
    return orjson.dumps({"events": events})


def source(_: Connection, credential: str, __: datetime) -> tuple[str, str | None]:
    if credential == "wrong":
        raise NotFound("nobody's key")
    if credential == "strange":
        raise UnicodeError("that no database takes")
    return f"integration:{credential}", None


def post(*events: dict[str, Any], by: str = "t") -> Taken:
    (answer,) = take([Posted(source, by, body(*events))])
    assert isinstance(answer, tuple), answer
    return answer


def rows(columns: str = "*", where: str = "true") -> list[dict[str, Any]]:
    with transaction() as db:
        found = db.execute(text(f"select {columns} from alert where {where} order by source, key desc, id"))
        return [dict(row) for row in found.mappings()]


def count(table: str) -> int:
    with transaction() as db:
        return int(db.execute(text(f"select count(*) from {table}")).scalar_one())


def settle() -> None:
    while line.dedup() + line.escalate():
        pass


def age(seconds: int) -> None:
    with transaction() as db:
        db.execute(text("update alert set seen_at = seen_at - make_interval(secs => :by)"), {"by": seconds})


def test_the_same_again_changes_nothing_but_when_it_was_seen(configured: None) -> None:
    first = post(DISK, OTHER)
    settle()
    age(60)
    before, kept = rows(), count("signal")
    assert post(DISK, OTHER) == first, "the trace leads to where it came from"
    after = rows()
    assert [one.pop("seen_at") > other.pop("seen_at") for one, other in zip(after, before, strict=True)] == [True, True]
    assert after == before
    assert count("signal") == kept
    seen = rows("seen_at")
    post(DISK, OTHER)
    assert rows("seen_at") == seen, "written down every ten seconds at most"
    assert not line.dedup()


@pytest.mark.parametrize(
    "between",
    [
        [{**DISK, "status": "resolved"}],
        [{**DISK, "severity": "critical"}],
        [{**DISK, "labels": {"host": "db2"}}],
        [{**DISK, "summary": "disk fuller"}],
        [{**DISK, "links": ["https://example.org"]}],
        [{**DISK, "runbook": "disk"}],
        [{**DISK, "annotations": {"a": "b"}}],
        [{**DISK, "service": "db"}],
    ],
    ids=str,
)
def test_what_was_sent_in_between_counts_and_so_does_what_comes_after_it(between: Sequence[dict[str, Any]]) -> None:
    traces = {post(DISK)[0][1]}
    shown = "state, severity, summary, service, labels, links, runbook, annotations"
    first = rows(shown)
    post(*between)
    assert rows(shown) != first
    traces.add(post(DISK)[0][1])
    assert rows(shown, "state <> 'resolved'") == first
    assert len(traces) == 2


def test_what_somebody_resolved_opens_a_new_alert(configured: None) -> None:
    post(DISK)
    settle()
    with transaction() as db:
        from app.actions import service as actions

        actions.resolve(db, 1, SYSTEM, clock.now(db))
    post(DISK)
    settle()
    assert [row["state"] for row in rows()] == ["resolved", "firing"]
    assert count("incident") == 2


def test_another_configuration_is_another_alert_to_make(configured: None) -> None:
    post(DISK)
    assert rows("labels->>'team' as team") == [{"team": "shop"}]
    put(
        CONFIGURATION.replace("teams: {shop:", "teams: {store: {members: [ada]}, shop:").replace(
            "{team: shop}", "{team: store}"
        )
    )
    post(DISK)
    assert rows("labels->>'team' as team") == [{"team": "store"}]


def test_other_hours_are_too(configured: None) -> None:
    def hours(start: datetime) -> str:
        day = f"{start:%a}".lower()
        return CONFIGURATION + f'hours: {{now: {{days: [{day}], from: "00:00", to: "24:00", timezone: UTC}}}}\n'

    with transaction() as db:
        today = clock.now(db)
    put(hours(today))
    post(DISK)
    assert rows("labels->>'hours' as hours") == [{"hours": "now"}]
    remembered = RECALL.get(digest("integration:t", None, body(DISK)))
    assert remembered
    assert ("now",) in remembered.as_of  # type: ignore[operator]


def test_the_same_bytes_of_another_sender_are_its_own_alert(configured: None) -> None:
    assert post(DISK, by="a") != post(DISK, by="b")
    assert [row["source"] for row in rows()] == ["integration:a", "integration:b"]


def test_a_call_of_which_one_alert_is_over_is_taken_anew_as_a_whole(configured: None) -> None:
    first = post(DISK, OTHER)
    post({**OTHER, "status": "resolved"})
    again = post(DISK, OTHER)
    assert {key for key, _ in again} == {"disk", "cpu"}
    assert not {trace for _, trace in again} & {trace for _, trace in first}
    assert [(row["key"], row["state"]) for row in rows()] == [("disk", "firing"), ("cpu", "resolved"), ("cpu", "firing")]


def test_calls_that_end_something_are_never_taken_as_known(configured: None) -> None:
    for _ in range(2):
        post(DISK)
        post({**DISK, "status": "resolved"})
    assert [row["state"] for row in rows()] == ["resolved", "resolved"]


def test_many_calls_at_once_are_answered_each_for_itself(configured: None) -> None:
    post(DISK)
    answers = take(
        [
            Posted(source, "t", body(DISK)),
            Posted(source, "wrong", body(OTHER)),
            Posted(source, "strange", body(OTHER)),
            Posted(source, "t", b"no json"),
            Posted(source, "t", body({**OTHER, "key": "a"}, {**OTHER, "key": "b"})),
            Posted(source, "u", body(OTHER)),
            Posted(source, "t", body({**OTHER, "key": "a", "status": "resolved"})),
            Posted(source, "t", body({"key": "x" * 600})),
        ]
    )
    assert [type(one) for one in answers] == [tuple, NotFound, UnicodeError, Invalid, tuple, tuple, tuple, Invalid]
    assert [(row["source"][-1], row["key"], row["state"]) for row in rows()] == [
        ("t", "disk", "firing"), ("t", "b", "firing"), ("t", "a", "resolved"), ("u", "cpu", "firing"),
    ]  # fmt: skip
    with transaction() as db:
        problems = db.execute(text("select count(*) from signal where problem is not null")).scalar_one()
    assert problems == 2


def test_a_call_that_the_database_refuses_takes_no_other_with_it(configured: None) -> None:
    with transaction() as db:
        db.execute(text("alter table alert add constraint refused check (key <> 'refused')"))
    try:
        answers = take([Posted(source, "t", body({**OTHER, "key": key})) for key in ("a", "refused", "b")])
    finally:
        with transaction() as db:
            db.execute(text("alter table alert drop constraint refused"))
    assert [isinstance(one, tuple) for one in answers] == [True, False, True]
    assert [row["key"] for row in rows()] == ["b", "a"]


def test_five_thousand_events_of_one_alert_are_one_statement(configured: None) -> None:
    taken = post(*({**DISK, "summary": f"disk {n}", "starts_at": f"2026-11-02T09:00:{n % 60:02}Z"} for n in range(5000)))
    assert len(taken) == 5000
    (row,) = rows()
    assert (row["summary"], row["trace"]) == ("disk 4999", taken[-1][1])
    assert row["starts_at"].second == 0
