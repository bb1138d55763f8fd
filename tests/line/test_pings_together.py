"""Pings that come at the same time: one transaction, each with the answer and the number it would have had alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import text

from app import clock, line
from app.checks.heartbeats.model import Kind, PingRequest
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM

CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
heartbeats:
  backup: {every: 1h}
  report: {every: 1h}
"""


@pytest.fixture
def uuids(clean: None) -> dict[str, str]:
    with transaction() as db:
        loaded = load_texts({"a.yaml": CONFIG}, {})
        assert not loaded.errors
        apply(db, loaded, SYSTEM, clock.now(db))
        return {row.name: str(row.uuid) for row in db.execute(text("select name, uuid from heartbeat"))}


def kept() -> list[tuple[str, int, str, bytes]]:
    query = "select name, n, kind, body from heartbeat_ping p join heartbeat h on h.id = p.heartbeat order by name, n"
    with transaction() as db:
        return [(row.name, row.n, row.kind, bytes(row.body)) for row in db.execute(text(query))]


def test_each_gets_its_own_answer(uuids: dict[str, str]) -> None:
    with transaction() as db:
        db.execute(text("insert into heartbeat (name, uuid, slug, origin, spec, zone, created_at) values"
                        " ('a', gen_random_uuid(), 'same', 'ping', '{\"every\": \"1h\"}', 'UTC', now()),"
                        " ('b', gen_random_uuid(), 'same', 'ping', '{\"every\": \"1h\"}', 'UTC', now())"))  # fmt: skip
    received = line.pings(
        [
            PingRequest(Kind.START, uuid=uuids["backup"], body=b"1"),
            PingRequest(Kind.SUCCESS, slug="report", body=b"\x00\xff"),
            PingRequest(Kind.SUCCESS, slug="nobody"),
            PingRequest(Kind.FAIL, slug="backup", body=b"2"),
            PingRequest(Kind.SUCCESS, slug="same"),
            PingRequest(Kind.LOG, uuid=uuids["backup"], body=b"3"),
            PingRequest(Kind.LOG, uuid="00000000-0000-4000-8000-000000000000"),
        ]
    )
    assert [one.n if one else None for one in received] == [1, 1, None, 2, None, 3, None]
    assert kept() == [
        ("backup", 1, "start", b"1"),
        ("backup", 2, "fail", b"2"),
        ("backup", 3, "log", b"3"),
        ("report", 1, "success", b"\x00\xff"),
    ]


def test_groups_beside_each_other_lose_none_and_count_each_once(uuids: dict[str, str]) -> None:
    """In the opposite order, so that locks taken as they come would wait for each other."""
    names = [*uuids]

    def some(turned: bool) -> list[int]:
        ordered = reversed(names) if turned else names
        calls = [PingRequest(Kind.SUCCESS, uuid=uuids[name]) for name in ordered for _ in range(3)]
        return [one.n for one in line.pings(calls) if one]

    with ThreadPoolExecutor(6) as pool:
        found = [*pool.map(some, [bool(n % 2) for n in range(30)])]
    assert {len(one) for one in found} == {6}
    assert [(name, n) for name, n, *_ in kept()] == [(name, n) for name in sorted(names) for n in range(1, 91)]
    with transaction() as db:
        times = db.execute(
            text("select heartbeat, array_agg(at order by n) as at from heartbeat_ping group by heartbeat")
        ).all()
    for row in times:
        ordered: list[datetime] = row.at
        assert ordered == sorted(ordered), "in the order of their numbers"
