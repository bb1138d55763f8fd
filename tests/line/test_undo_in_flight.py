"""An escalation is undone while pages of the step before are on their way: they go on and fall back as if nothing had been."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app import line
from app.actions import service as actions
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Permanent
from app.notify import outcome
from app.notify import service as pages
from app.notify.compose import MessageContext
from app.notify.model import Claim, Receipt
from app.notify.outcome import Sent
from app.people.model import SYSTEM, Actor, Role
from app.signals.model import Signal, SignalStatus
from tests.sent import intake

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADA = Actor("ada", Role.RESPONDER, "api")
CONFIG = """
users:
  ada: {contacts: {hook: ada, spare: ada}, notify: {high: [hook]}}
  bo: {contacts: {hook: bo}, notify: {high: [hook]}}
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9"}, spare: {kind: webhook, url: "http://127.0.0.1:9"}}
platform: {owners: ["user:bo"]}
policies: {p: {steps: [{page: "user:ada", wait: 5m}, {page: "user:bo", wait: 5m}]}}
routes: [{policy: p}]
"""


@pytest.fixture
def claims(clean: None) -> dict[str, Claim]:
    """Step 1 was leased; then ada escalated, step 2 was leased, and she undid it. The leased pages by their person."""
    with transaction() as db:
        apply(db, load_texts({"a.yaml": CONFIG}, {}), SYSTEM, NOW)
    intake("user:t", [Signal("user:t", "k", SignalStatus.FIRING, "k")], NOW)
    line.dedup(NOW)
    line.escalate(NOW)
    found = _lease()
    with transaction() as db:
        actions.escalate(db, 1, ADA, NOW)
    line.escalate(NOW)
    found |= _lease()
    with transaction() as db:
        actions.undo(db, 1, ADA, NOW + timedelta(seconds=1))
    return found


def _lease(at: datetime = NOW) -> dict[str, Claim]:
    with transaction() as db:
        jobs = pages.claim(db, MessageContext("http://tocsin.test", b"k"), at, 10)
    return {job.claim.draft.user or "": job.claim for job in jobs}


def _states() -> list[tuple[str, str, str, int]]:
    with transaction() as db:
        rows = db.execute(text("select user_name, channel, state, generation from page where kind = 'page' order by id"))
        return [tuple(row) for row in rows]


def test_the_page_of_the_step_before_is_still_wanted_and_that_of_the_undone_step_is_not(claims: dict[str, Claim]) -> None:
    with transaction() as db:
        kept = pages.confirm(db, list(claims.values()), NOW + timedelta(seconds=2))
    assert set(kept) == {claims["ada"].id}
    assert _states() == [("ada", "hook", "sending", 2), ("bo", "hook", "superseded", 1)]


def test_where_it_fails_for_good_the_next_contact_is_paged(claims: dict[str, Claim]) -> None:
    with transaction() as db:
        outcome.record(db, [Sent(claims["ada"], Permanent("404"))], NOW + timedelta(seconds=2))
    assert _states()[-1] == ("ada", "spare", "queued", 2)
    assert set(_lease(NOW + timedelta(seconds=2))) == {"ada"}


def test_where_it_arrives_its_obligation_is_met_and_the_undone_one_is_excused(claims: dict[str, Claim]) -> None:
    with transaction() as db:
        outcome.record(db, [Sent(one, Receipt()) for one in claims.values()], NOW + timedelta(seconds=2))
    with transaction() as db:
        rows = db.execute(text("select user_name, state, generation, reason ->> 'code' from obligation order by id"))
        assert [tuple(row) for row in rows] == [("ada", "met", 2, "accepted"), ("bo", "excused", 1, "undone")]
