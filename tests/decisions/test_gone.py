"""Rare answers about what is not there any more: contacts without a name, policies that never were, records of old releases."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from app.catalog.model import Version
from app.configfile.touch import Concern, touching
from app.errors import Invalid
from app.escalation.model import EscalationState
from app.escalation.plan import hurried
from app.notify.addressee import gone
from app.people.model import Person, Role, User
from app.reason import Code
from tests.decisions.words import NOON, alert, incident, page

ADA = Person("ada", User(role=Role.RESPONDER), True, ZoneInfo("UTC"))


def test_a_page_that_names_no_contact_is_gone_with_its_person_only() -> None:
    draft = page(user="ada", contact=None)
    assert gone(draft, ADA) is None
    assert getattr(gone(draft, None), "code", None) is Code.PERSON_GONE


def test_without_a_policy_there_is_no_step_to_choose() -> None:
    started = EscalationState.started(1, 1, NOON)
    with pytest.raises(Invalid, match="the incident has no escalation policy"):
        hurried(None, started, NOON, step=1)
    assert hurried(None, replace(started, due_at=None), NOON).due_at == NOON


@pytest.mark.parametrize("policy, touched", [("p", True), ("q", False), (None, False)])
def test_a_change_of_a_route_that_an_older_release_wrote_is_told_by_its_policy(policy: str | None, touched: bool) -> None:
    change = {"action": "changed", "kind": "route", "name": "1", "detail": "policy: p"}
    version = Version(id=2, applied_at=NOON, applied_by="ada", digest="d", changes=[change])
    found = touching([version], Concern(incident(policy_name=policy, service=None), [alert()], {}))
    assert found == ([version] if touched else [])
