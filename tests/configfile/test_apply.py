"""Applying is all or nothing, in force at once, and idempotent."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from app import seal
from app.catalog import store as catalog
from app.checks.model import Check
from app.configfile import apply as configuration
from app.configfile import store
from app.configfile.diff import Action
from app.configfile.load import load_texts
from app.errors import Conflict, Invalid
from app.people.model import SYSTEM
from tests.configfile.words import configuration as words
from tests.configfile.words import with_, without

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def put(db: Connection, **sections: Any) -> configuration.Applied:
    return configuration.apply(db, words(**sections), SYSTEM, NOW)


def test_what_is_applied_is_in_force(db: Connection) -> None:
    applied = put(db)
    assert catalog.version(db) == applied.version
    assert list(catalog.services(db)) == ["web"]
    assert list(catalog.policies(db)) == ["usual"]
    assert [route.policy for route in catalog.routes(db)] == ["usual", "usual"]
    assert seal.opened(catalog.channels(db)["hook"].options)["secret"] == "old-secret"
    assert catalog.declared(db, "check", Check)["up"].probe == "health.tcp"
    assert {change.action for change in applied.changes} == {Action.ADDED}


def test_applying_the_same_again_makes_no_version(db: Connection) -> None:
    first, again = put(db), put(db)
    assert (again.version, again.changes) == (first.version, ())
    assert len(catalog.versions(db)) == 1


def test_another_value_of_a_variable_is_another_version(db: Connection) -> None:
    files = {"a.yaml": 'services: {web: {description: "${WORD}"}}'}
    first = configuration.apply(db, load_texts(files, {"WORD": "a"}), SYSTEM, NOW)
    second = configuration.apply(db, load_texts(files, {"WORD": "b"}), SYSTEM, NOW)
    assert second.version != first.version
    assert [str(change) for change in second.changes] == ['~ service "web": description: a -> b']


def test_the_files_of_the_version_in_force_keep_their_variables(db: Connection) -> None:
    files = {"a.yaml": '# why\nservices: {web: {description: "${WORD:-x}"}}\n'}
    configuration.apply(db, load_texts(files, {"WORD": "secret"}), SYSTEM, NOW)
    assert store.files(db) == files


def test_a_configuration_with_mistakes_changes_nothing(db: Connection) -> None:
    before = put(db)
    with pytest.raises(Invalid, match="1 error;") as refused:
        put(db, **with_("users", "ada", role="boss"))
    assert [fault.field for fault in refused.value.faults] == ["a.yaml:1"]
    assert catalog.version(db) == before.version
    assert list(catalog.services(db)) == ["web"]


def test_a_plan_says_what_apply_does_and_does_nothing(db: Connection) -> None:
    put(db)
    changed = words(**with_("checks", "up", every="30s"))
    planned = configuration.plan(db, changed)
    assert [str(change) for change in planned] == ['~ check "up": every: (not set) -> 30s']
    assert configuration.plan(db, changed) == planned
    assert list(configuration.apply(db, changed, SYSTEM, NOW).changes) == planned
    assert configuration.plan(db, changed) == []


def test_what_is_removed_is_gone(db: Connection) -> None:
    put(db)
    put(db, **without("rules", "slow"))
    assert catalog.specs(db, "rule") == []


def test_a_version_remembers_its_changes_without_secrets(db: Connection) -> None:
    put(db)
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "new-secret"}
    put(db, channels={"hook": hook})
    newest = catalog.versions(db)[0]
    assert newest.changes == [{"action": "changed", "kind": "channel", "name": "hook", "detail": "secret: changed"}]
    assert newest.applied_by == "system"


def test_a_second_applier_is_told_to_try_again(engine: Engine, db: Connection) -> None:
    store.lock(db)
    with engine.connect() as other, pytest.raises(Conflict, match="another apply is running"):
        store.lock(other)
