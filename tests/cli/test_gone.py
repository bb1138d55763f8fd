"""Overrides of somebody who can no longer be paged, and people whom nothing reaches, are named in the shell as well."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from tests.api.conftest import CONFIGURATION, RUNBOOK
from tests.cli.conftest import Tocsin

WITHOUT_ED = CONFIGURATION.replace("  ed: {role: editor}\n", "").replace(', if_exhausted: ["user:ed"]', "")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks/shop-down.md").write_text(RUNBOOK)
    (tmp_path / "all.yaml").write_text(WITHOUT_ED)
    return tmp_path


def test_plan_coverage_and_doctor_name_an_override_of_somebody_who_left(tocsin: Tocsin, files: Path) -> None:
    end = datetime.now(UTC) + timedelta(days=2)
    assert tocsin("oncall", "override", "primary", "--user", "ed", "--to", end.isoformat()).status == 0
    assert "is ignored" not in tocsin("oncall", "coverage").out + tocsin("doctor").out
    assert "override by ed" in tocsin("config", "plan", str(files)).out
    assert tocsin("config", "apply", str(files)).status == 0
    said = tocsin("oncall", "coverage", "--days", "3", "--fail-under", "100")
    assert said.status == 0
    assert 'is ignored: user "ed" not found' in said.out
    assert 'schedule "primary": override by ed' in tocsin("doctor").out
    (covered,) = tocsin("oncall", "coverage", "--json").json["items"]
    assert covered["ignored"][0]["because"] == 'user "ed" not found'
    listed = tocsin("oncall", "overrides", "primary")
    assert "REASON  IGNORED              ORIGIN" in listed.out
    assert 'user "ed" not found' in listed.out
    (shown,) = tocsin("oncall", "overrides", "primary", "--json").json["items"]
    assert (shown["ignored"], shown["origin"]) == ('user "ed" not found', None)


def test_a_plan_says_who_is_on_call_instead_and_the_audit_log_who_applied_it(tocsin: Tocsin, files: Path) -> None:
    (holder,) = tocsin("oncall", "now", "--json").json["items"][0]["users"]
    other = {"ada": "bo", "bo": "ada"}[holder]
    (files / "all.yaml").write_text(WITHOUT_ED.replace("users: [ada, bo], every", f"users: [{other}], every"))
    change = f'schedule "primary": on call now is {other} instead of {holder}'
    assert change in tocsin("config", "plan", str(files)).out
    assert tocsin("config", "apply", str(files), "--as", holder).status == 2
    assert tocsin("config", "apply", str(files), "--as", "root").status == 0
    assert change not in tocsin("config", "plan", str(files)).out
    applied = [one for one in tocsin("audit", "--json").json["items"] if one["action"] == "config.apply"]
    assert applied[0]["actor"] == "root"


def test_doctor_names_people_who_are_paged_and_have_only_the_inbox(tocsin: Tocsin) -> None:
    said = tocsin("doctor").out
    assert "ada can be paged, but has no contact method besides the console inbox" in said
    assert "bo can be paged" not in said
    assert "vi can be paged" not in said
    reached = CONFIGURATION.replace("ada: {", "ada: {contacts: {hook: a}, ")
    loaded = load_texts({"a.yaml": reached, "runbooks/shop-down.md": RUNBOOK}, {})
    with transaction() as db:
        apply(db, loaded, SYSTEM, datetime.now(UTC))
    assert "ada can be paged" not in tocsin("doctor").out


def test_doctor_names_people_with_only_the_inbox_whom_an_override_puts_on_call(tocsin: Tocsin) -> None:
    loaded = load_texts(
        {"a.yaml": CONFIGURATION.replace(', if_exhausted: ["user:ed"]', ""), "runbooks/shop-down.md": RUNBOOK}, {}
    )
    with transaction() as db:
        apply(db, loaded, SYSTEM, datetime.now(UTC))
    assert "ed can be paged" not in tocsin("doctor").out
    end = datetime.now(UTC) + timedelta(days=2)
    assert tocsin("oncall", "override", "primary", "--user", "ed", "--to", end.isoformat()).status == 0
    assert "ed can be paged, but has no contact method besides the console inbox" in tocsin("doctor").out
