"""The example configuration passes, means what its comments say, and survives being stored."""

from pathlib import Path

import pytest

from app.catalog.model import Channel, Declaration, Route
from app.checks.model import Check
from app.configfile.kinds import rule_spec
from app.configfile.load import compile, load
from app.configfile.model import Config, Loaded
from app.configfile.sections import PLANNED, RUNBOOK, SECTIONS, Runbook

FOLDER = Path(__file__).parents[2] / "docs/examples/alerting"
TYPES = {section.kind: section.type for section in SECTIONS.values()} | {RUNBOOK: Runbook}


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(FOLDER, {})


@pytest.fixture(scope="module")
def config(loaded: Loaded) -> Config:
    assert loaded.config is not None
    return loaded.config


@pytest.fixture(scope="module")
def declarations(config: Config) -> list[Declaration]:
    return compile(config)


def test_the_example_has_no_mistake(loaded: Loaded) -> None:
    assert [str(one) for one in loaded.errors] == []


def test_the_example_is_warned_of_what_is_not_active_and_not_used_only(loaded: Loaded) -> None:
    left = [str(one) for one in loaded.warnings if "not active yet" not in one.message and "is unused" not in one.message]
    assert left == []


def test_everything_in_the_example_is_declared(loaded: Loaded, declarations: list[Declaration]) -> None:
    counted = sum(number for key, number in loaded.counts.items() if key != "files")
    assert len(declarations) == counted == 53


def test_what_is_stored_means_the_same_when_it_is_read_back(config: Config, declarations: list[Declaration]) -> None:
    for one in declarations:
        if one.kind == PLANNED:
            continue
        type_ = rule_spec(one.spec["kind"]) if one.kind == "rule" else TYPES[one.kind]
        item = config.items[one.kind][one.name]
        assert type_.model_validate(one.spec) == item.value, one.name


def test_positions_follow_the_files_and_origins_name_them(declarations: list[Declaration]) -> None:
    checks = [one for one in declarations if one.kind == "check"]
    assert [one.position for one in checks] == list(range(6))
    assert [one.name for one in checks] == ["checkout-http", "db-disk", "db-latency", "orders", "logins", "certificate"]
    assert checks[0].origin == "shop.yaml:8"
    assert [one.name for one in declarations if one.kind == "route"] == ["0001", "0002", "0003", "0004"]


def test_contacts_stay_in_the_order_they_were_written(declarations: list[Declaration]) -> None:
    bo = next(one for one in declarations if (one.kind, one.name) == ("user", "bo"))
    assert list(bo.spec["contacts"]) == ["sms", "mail"]


def test_variables_and_secrets_are_filled_in_where_they_are_used() -> None:
    filled = load(FOLDER, {"SMS_URL": "https://sms.example.org/send", "SMS_SECRET": "s3cret"})
    assert filled.config is not None
    sms = filled.config.of("channel", Channel)["sms"]
    assert sms.options == {"url": "https://sms.example.org/send", "secret": "s3cret"}


def test_off_and_matchers_mean_what_they_say(config: Config) -> None:
    assert config.of("check", Check)["logins"].alert == "off"
    assert [route.policy for route in config.of("route", Route).values()][-1] == "platform"


def test_runbooks_are_called_by_their_first_heading(config: Config) -> None:
    runbook = config.of(RUNBOOK, Runbook)["brute-force"]
    assert runbook.title == "Many failed logins"
    assert runbook.markdown.startswith("# Many failed logins\n")
