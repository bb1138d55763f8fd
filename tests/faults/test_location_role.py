"""A worker elsewhere with a database role and a key of its own: it runs its checks, and reads and changes nothing else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from app.settings import Settings
from tests.faults.test_locations import QUEUE, checks, missing, tunnel
from tests.probes.conftest import server  # noqa: F401 - a fixture
from tests.stack import Stack, running, until

ROLE = "tocsin_at_eu-west"
CONFIG = """
users: {ada: {contacts: {hook: ADDRESS}}}
platform: {owners: ["user:ada"], references: ["127.0.0.1:1", "127.0.0.1:2"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9/", secret: CANARY-hook}}
checks:
  there: {probe: health.nagios, at: eu-west, every: 1s, alert: off, with: {command: [/bin/sh, -c, 'echo "$PIN" | wc -c'], environment: {PIN: "12345678"}}}
  far: {probe: health.tcp, at: eu-west, every: 1s, alert: off, with: {host: far.invalid, port: 9}}
  here: {probe: health.nagios, every: 1s, alert: off, with: {command: [/bin/true], environment: {PIN: CANARY-here}}}
  elsewhere: {probe: health.disk, at: us-east, every: 1s, alert: off, with: {path: /}}
"""  # noqa: E501


@contextmanager
def database(server: str) -> Iterator[str]:  # noqa: F811
    """A database of the hub's own on a server of its own; the URL as its owner."""
    with psycopg.connect(server.format("postgres"), autocommit=True) as admin:
        admin.execute("create role tocsin login createrole")
        admin.execute("create database tocsin owner tocsin template template0 encoding 'UTF8'")
        try:
            yield server.format("tocsin").replace("/postgres", "/tocsin")
        finally:
            admin.execute("drop database tocsin with (force)")
            admin.execute(f'drop role if exists "{ROLE}", tocsin_reader')
            admin.execute("drop role tocsin")


@contextmanager
def worker(stack: Stack, url: str, key: str, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`tocsin worker -Q health@eu-west` as on another machine: it has neither the hub's role nor its secret key."""
    with tunnel(Settings(home=stack.home).sockets / "valkey.sock") as broker:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        environ |= {"TOCSIN_HOME": str(home), "TOCSIN_DATABASE_URL": url, "TOCSIN_LOCATION_KEY": key}
        environ |= {"TOCSIN_BROKER_URL": f"redis://127.0.0.1:{broker}/0"}
        command = [sys.executable, "-m", "app.cli", "worker", "-Q", QUEUE, "-c", "1"]
        with (home.parent / "worker.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=environ, cwd=stack.root, start_new_session=True, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def refused(db: "psycopg.Connection[tuple[object, ...]]", statement: str) -> bool:
    """Whether the role may not do it, or it touches no row."""
    try:
        return db.execute(statement).rowcount == 0
    except psycopg.errors.InsufficientPrivilege:
        return True


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("stack")
def test_a_worker_with_the_role_of_its_location_does_its_work_and_sees_nothing_else(server: str, tmp_path: Path) -> None:  # noqa: F811
    with database(server) as owner, running(CONFIG, TOCSIN_DATABASE_URL=owner) as stack:
        made = stack.tocsin("locations", "sql", "eu-west").stdout
        with psycopg.connect(owner, autocommit=True) as db:
            db.execute(made)
        url = owner.replace("tocsin@", f"{ROLE}@")
        key = stack.tocsin("locations", "key", "eu-west").stdout.strip()
        assert key != (stack.home / "secret-key").read_text().strip()
        with worker(stack, url, key, tmp_path / "elsewhere"):
            until(lambda: checks(stack)["there"]["status"], 40)
            assert (checks(stack)["there"]["status"], checks(stack)["there"]["message"]) == ("ok", "9"), checks(stack)["there"]
            until(lambda: f"worker:{QUEUE}" not in missing(stack), 10)
            with psycopg.connect(owner) as db:
                until(lambda: db.execute("select 1 from uptime where part = 'checks@eu-west'").fetchone(), 10)
            ran = json.loads(stack.tocsin("checks", "run", "there", "--json").stdout)
            assert (ran["status"], ran["queue"]) == ("ok", QUEUE)
            words = ("--at", "eu-west", "--with", "command=[/bin/echo, tried]", "--json")
            tried = json.loads(stack.tocsin("checks", "try", "health.nagios", *words).stdout)
            assert (tried["status"], tried["message"]) == ("ok", "tried")
            offline = "/api/v1/alerts?state=firing"  # its own alert: no reference answers, and it cannot reach `far`
            until(lambda: [one["labels"].get("location") for one in stack.call("GET", offline)[1]["items"]] == ["eu-west"], 40)
            assert (tmp_path / "worker.log").read_text().count("InsufficientPrivilege") == 0
        with psycopg.connect(url, autocommit=True) as db:
            sees_only_its_own(db)


def sees_only_its_own(db: "psycopg.Connection[tuple[object, ...]]") -> None:
    seen = db.execute("select kind, name, spec::text from declaration order by kind, name").fetchall()
    assert [row[:2] for row in seen] == [("check", "far"), ("check", "there"), ("platform", "platform")]
    assert "12345678" not in str(seen)
    assert {row[0] for row in db.execute("select name from check_state").fetchall()} == {"far", "there"}
    assert {row[0] for row in db.execute("select check_name from check_run").fetchall()} <= {"there", "health.nagios", "try"}
    for table in (
        "alert",
        "person",
        "token",
        "invitation",
        "page",
        "integration",
        "integration_key",
        "signal",
        "audit",
        "incident",
        "session",
    ):
        assert refused(db, f"select * from {table}"), table
    for statement in (
        "select files from config_version",
        "update check_state set message = 'x' where name = 'here'",
        "update check_state set next_due_at = now() where name = 'there'",
        "update declaration set spec = '{}'",
        "insert into check_result values ('here', now(), 'ok', '', 0, '{}')",
        "insert into sample values ('here', 'm', now(), 1)",
        "insert into prober values ('us-east', now(), '{}')",
        "delete from process_beat where kind = 'pager'",
        "update uptime set seen_at = now() where part = 'checks'",
        "insert into ended_session values ('x', now())",
        "set role tocsin",
    ):
        assert refused(db, statement), statement
