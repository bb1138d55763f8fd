"""While one version of the configuration takes over from another, transactions of both run, in several threads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import Connection

from app import clock
from app.catalog import store as catalog
from app.catalog.cache import ByVersion
from app.catalog.model import Service
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.rules.in_force import book

CONFIG = """
users: {ada: {}}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
services: {SERVICE: {}}
checks: {SERVICE: {probe: health.tcp, with: {host: 127.0.0.1, port: 9}}}
"""
THREADS, ROUNDS = 4, 300


@pytest.fixture(autouse=True)
def threads_take_turns_at_once() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def configure(service: str) -> None:
    with transaction() as db:
        apply(db, load_texts({"a.yaml": CONFIG.replace("SERVICE", service)}, {}), SYSTEM, clock.now(db))


def test_each_transaction_reads_the_version_it_began_with(clean: None) -> None:
    configure("old")
    with transaction() as before:
        assert set(catalog.declared(before, "service", Service)) == {"old"}
        assert set(book(before).by_check) == {"old"}
        configure("new")
        with transaction() as after:
            assert set(catalog.declared(after, "service", Service)) == {"new"}
            assert set(book(after).by_check) == {"new"}


class Interrupted(str):
    """A key; whenever somebody looks it up, somebody else asks for the next version of it in between."""

    others = 0

    def __new__(cls, text: str, kept: ByVersion[str, int]) -> "Interrupted":
        made = super().__new__(cls, text)
        made.kept = kept
        return made

    kept: ByVersion[str, int]

    def __hash__(self) -> int:
        Interrupted.others += 1
        other = Interrupted.others + 1_000
        assert self.kept.get(str(self), other, lambda: other) == other
        return hash(str(self))

    __eq__ = str.__eq__


def test_who_is_interrupted_at_any_look_by_another_version_still_gets_their_own() -> None:
    kept: ByVersion[str, int] = ByVersion()
    key = Interrupted("service", kept)
    for version in (1, 1, 2, 2, 1):
        assert kept.get(key, version, lambda version=version: version) == version  # type: ignore[misc]


def test_the_catalog_and_the_book_answer_while_two_versions_are_in_flight(clean: None) -> None:
    configure("old")
    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as pool:
        begun = [(stack.enter_context(transaction()), "old") for _ in range(THREADS // 2)]
        for db, _ in begun:
            catalog.version(db)
        configure("new")
        begun += [(stack.enter_context(transaction()), "new") for _ in range(THREADS // 2)]
        assert set().union(*pool.map(read, begun)) <= {"old", "new"}


def read(begun: tuple[Connection, str]) -> set[str]:
    """The services that a transaction reads again and again; all of its own version once it has read them first."""
    db, _ = begun
    found: set[str] = set()
    for _ in range(ROUNDS):
        catalog.channels(db)
        found |= set(catalog.services(db)) | set(book(db).by_check)
    return found
