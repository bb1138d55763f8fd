"""Runs on demand, tries and baselines: what is answered, what is kept, what is audited. The worker's part is done here."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app import beats, clock, measure
from app.actions import baseline
from app.actions.run import TRY, Batch, ask, progress, results, try_out, unanswered
from app.checks.model import Check
from app.checks.select import select
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Denied, Invalid, NotFound, Unavailable
from app.people.model import SYSTEM, Actor, Role
from app.settings import settings

CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
services: {shop: {}, db: {}}
checks:
  web: {probe: health.tcp, service: shop, with: {host: 127.0.0.1, port: PORT}}
  disk: {probe: health.disk, service: db, with: {path: /}}
  ports: {probe: security.open_ports, service: shop, with: {host: 127.0.0.1, ports: "PORT"}}
"""
ADMIN, EDITOR, RESPONDER, VIEWER = (
    Actor(role.value, role, "test") for role in (Role.ADMIN, Role.EDITOR, Role.RESPONDER, Role.VIEWER)
)


@pytest.fixture
def port(clean: None) -> Iterator[int]:
    """One that somebody listens on, and the checks that look at it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = int(server.getsockname()[1])
        configure(CONFIG.replace("PORT", str(number)))
        yield number


def configure(yaml: str) -> None:
    loaded = load_texts({"a.yaml": yaml}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, clock.now(db))


def work(batch: Batch, tried: bool = False) -> dict[str, dict[str, Any]]:
    """Do what the workers do with a batch's tasks; the answers by name."""
    for names in batch.tasks.values():
        measure.try_out(batch.id) if tried else measure.check(names, batch.id)
    return {one["name"]: one for one in results(batch)}


def count(table: str) -> int:
    with transaction() as db:
        return int(db.execute(text(f"select count(*) from {table}")).scalar_one())


def audited() -> list[str]:
    with transaction() as db:
        return list(db.scalars(text("select action from audit where action like 'check.%' order by id")))


def test_many_checks_run_as_one_batch_with_progress_and_one_task_a_probe(port: int) -> None:
    batch = ask(["web", "disk", "ports", "web"], RESPONDER)
    assert sorted(map(sorted, batch.tasks.values())) == [["disk"], ["ports"], ["web"]]
    with transaction() as db:
        before = progress(db, batch.id)
    assert (before["total"], before["done"]) == (3, 0)
    answers = work(batch)
    assert {name: one["status"] for name, one in answers.items()} == {"web": "ok", "disk": "ok", "ports": "ok"}
    with transaction() as db:
        after = progress(db, batch.id)
    assert (after["total"], after["done"]) == (3, 3)
    assert count("check_result") == 3
    assert audited() == ["check.run"] * 3


def test_who_only_reads_runs_nothing_and_an_unknown_name_is_said(port: int) -> None:
    with pytest.raises(Denied):
        ask(["web"], VIEWER)
    with pytest.raises(NotFound, match='"wbe"'):
        ask(["web", "wbe"], RESPONDER)
    with transaction() as db, pytest.raises(NotFound):
        progress(db, "no such run")
    assert count("check_run") == 0


def test_a_try_answers_and_keeps_nothing_and_its_settings_are_not_in_the_clear(port: int) -> None:
    check = Check.model_validate({"probe": "health.http", "with": {"url": "http://127.0.0.1:9/", "password": "hush-hush"}})
    batch = try_out(check, ADMIN)
    with transaction() as db:
        assert "hush" not in db.execute(text("select spec from check_run")).scalar_one()
    (answer,) = work(batch, tried=True).values()
    assert (answer["name"], answer["status"]) == (TRY, "critical")
    assert (count("check_result"), count("sample")) == (0, 0)
    assert audited() == ["check.try"]


def test_a_try_is_answered_once(port: int) -> None:
    batch = try_out(Check.model_validate({"probe": "health.disk", "with": {"path": "/"}}), ADMIN)
    work(batch, tried=True)
    measure.try_out(batch.id)  # the message came twice
    assert len(list(results(batch))) == 1


def test_labelled_values_are_given_back_but_not_in_the_progress_of_many(port: int) -> None:
    pool = {"url": settings().database.replace("+psycopg", ""), "query": "select 'a' as shop, 1 as orders union select 'b', 2"}
    batch = try_out(Check.model_validate({"probe": "business.sql", "with": pool}), ADMIN)
    (answer,) = work(batch, tried=True).values()
    assert sorted(answer["series"], key=str) == [
        {"metric": "orders", "labels": {"shop": "a"}, "value": 1.0},
        {"metric": "orders", "labels": {"shop": "b"}, "value": 2.0},
    ]
    with transaction() as db:
        assert "series" not in progress(db, batch.id)["items"][0]


def test_a_try_with_wrong_settings_names_each_and_takes_the_right_to_apply(port: int) -> None:
    with pytest.raises(Invalid) as refused:
        try_out(Check.model_validate({"probe": "health.tcp", "with": {"port": 99999, "hots": "x"}}), ADMIN)
    assert {fault.field for fault in refused.value.faults} == {"with.host", "with.port", "with.hots"}
    with pytest.raises(NotFound):
        try_out(Check(probe="health.nope"), ADMIN)
    with pytest.raises(Denied):
        try_out(Check.model_validate({"probe": "health.disk", "with": {"path": "/"}}), EDITOR)


def test_the_first_observation_is_the_baseline_and_another_waits_to_be_accepted(port: int) -> None:
    with closing(socket.socket()) as second:
        second.bind(("127.0.0.1", 0))
        more = int(second.getsockname()[1])
        configure(CONFIG.replace('ports: "PORT"', f'ports: "{port},{more}"').replace("PORT", str(port)))
        assert work(ask(["ports"], RESPONDER))["ports"]["status"] == "ok"
        second.listen()
        assert work(ask(["ports"], RESPONDER))["ports"]["status"] == "critical"
        with transaction() as db:
            shown = baseline.shown(db, "ports")
            assert (shown["added"], shown["gone"], shown["accepted_by"]) == ((f"tcp/{more}",), (), None)
            with pytest.raises(Denied):
                baseline.accept(db, "ports", RESPONDER, clock.now(db))
            accepted = baseline.accept(db, "ports", EDITOR, clock.now(db))
        assert (accepted["added"], accepted["accepted_by"]) == ((), "editor")
        assert work(ask(["ports"], RESPONDER))["ports"]["status"] == "ok"
    with transaction() as db:
        what = db.execute(text("select detail from audit where action = 'check.accept'")).scalar_one()
    assert list(what["added"]) == [f"tcp/{more}"]


def test_a_check_that_gets_another_probe_or_is_removed_forgets_its_baseline(port: int) -> None:
    work(ask(["ports"], RESPONDER))
    assert count("check_baseline") == 1
    tcp = f"ports: {{probe: health.tcp, with: {{host: 127.0.0.1, port: {port}}}}}\n"
    configure(CONFIG.replace("PORT", str(port)).partition("  ports:")[0] + "  " + tcp)
    assert count("check_baseline") == 0
    with transaction() as db, pytest.raises(NotFound, match="no baseline"):
        baseline.shown(db, "ports")


def test_checks_are_chosen_by_name_service_family_and_matchers(port: int) -> None:
    from app.catalog.matcher import parse_matchers
    from app.checks.service import declared

    with transaction() as db:
        known = declared(db)
    assert select(known) == ["web", "disk", "ports"]
    assert select(known, service="shop") == ["web", "ports"]
    assert select(known, service="shop", family="security") == ["ports"]
    assert select(known, matchers=tuple(parse_matchers('probe=~"health.*", service!="db"'))) == ["web"]
    assert select(known, names=["disk"], service="shop") == []


@pytest.mark.parametrize(
    ("waited", "queues", "served", "said"),
    [
        (20.0, {"health"}, set(), "no worker picked it up within 20 s: no worker consumes queue health; see `tocsin status`"),
        (12.5, {"health", "security@eu"}, {"line"}, "within 12.5 s: no worker consumes queues health, security@eu;"),
        (40.0, {"health"}, {"health"}, "no response within 40 s: the workers of queue health are busy or stuck; see"),
        (20.0, {"a", "b"}, {"b"}, "within 20 s: no worker consumes queue a, and the workers of queue b are busy or stuck;"),
    ],
)
def test_who_gets_no_answer_is_told_how_long_it_was_waited_and_why(
    waited: float, queues: set[str], served: set[str], said: str
) -> None:
    assert said in unanswered(waited, queues, served)


def test_it_is_known_whether_a_worker_takes_from_the_queue(port: int) -> None:
    batch = replace(ask(["disk"], RESPONDER), wait=0.3)
    with pytest.raises(Unavailable, match=r"within 0\.3 s: no worker consumes queue health"):
        list(results(batch))
    with transaction() as db:
        beats.touch(db, "worker", {"queues": ["health"]})
    with pytest.raises(Unavailable, match=r"within 0\.3 s: the workers of queue health are busy or stuck"):
        list(results(batch))
