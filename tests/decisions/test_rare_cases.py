"""What hardly ever happens, and is decided all the same."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from app.catalog.matcher import parse_matchers
from app.checks import probes
from app.checks.heartbeats.decide import next_expected
from app.checks.heartbeats.model import Expectation
from app.checks.prober.decide import target
from app.configfile.kinds import Form
from app.configfile.load import load_texts
from app.configfile.thing import parsed
from app.configfile.tree import Node
from app.errors import Invalid
from app.figures import number
from app.holiday import known_day
from app.oncall.notation import parse_time
from app.review.recorded import read
from app.rules.aggregate import aggregate
from app.rules.kinds.forecast import line
from app.rules.past import Past
from app.signals.sources import generic
from app.web.form import fields, settings, to_paste, written

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NO_LIMIT = timedelta(days=1)


def past(*values: float) -> Past:
    made = Past()
    for place, value in enumerate(values):
        made.add(NOON + timedelta(minutes=place), value)
    return made


@pytest.mark.parametrize("text", ["{,}", " , "])
def test_a_matcher_of_commas_alone_matches_nothing_and_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="matcher"):
        parse_matchers(text)


def test_the_bracket_that_is_open_is_named_beside_one_that_is_closed() -> None:
    with pytest.raises(ValueError, match=r"\("):
        parse_matchers('a=~"x(y)z("')


@pytest.mark.parametrize(
    "settings, host",
    [
        ({"url": "http://[::1"}, None),
        ({"url": "https://Shop.example/x"}, "shop.example"),
        ({"host": "127.0.0.1"}, None),
        ({"steps": [{"url": "http://db:1/"}]}, "db"),
        ({}, None),
    ],
    ids=["no address at all", "a host", "this machine", "the first of several steps", "nothing"],
)
def test_the_host_a_check_talks_to(settings: dict[str, Any], host: str | None) -> None:
    assert target(settings) == host


def test_a_calendar_without_such_a_day_expects_no_ping() -> None:
    never = Expectation(zone=ZoneInfo("UTC"), grace=timedelta(minutes=5), cron="0 0 */30 2 1#5")  # a fifth Monday on a first
    assert next_expected(never, NOON) is None


def test_a_probe_that_fails_to_say_what_it_measures_may_measure_anything() -> None:
    known = probes.found("business.http_json")
    fails = replace(known, own_metrics=lambda spec: spec.metrics["is not there"])
    settings = {"url": "http://127.0.0.1/", "metrics": {"orders": "$.n"}}
    assert (known.metrics(settings), fails.metrics(settings)) == (frozenset({"seconds", "orders"}), None)


def test_a_date_that_yaml_read_as_one_is_a_holiday() -> None:
    assert known_day(date(2026, 12, 24)) == "2026-12-24"


def test_a_length_is_a_time_of_day_already() -> None:
    assert parse_time(timedelta(hours=22)) == timedelta(hours=22)


def test_a_window_without_values_has_no_rate() -> None:
    empty = Past().span(NO_LIMIT, NOON)
    assert [aggregate(agg, empty) for agg in ("count", "avg", "rate")] == [0.0, None, None]


def test_a_line_through_one_instant_is_level() -> None:
    assert line(past(3.0).span(NO_LIMIT, NOON), NOON.timestamp()) == (3.0, 0.0)


def test_a_value_that_comes_late_finds_its_place_and_one_of_the_same_instant_replaces() -> None:
    made = past(1.0, 2.0)
    made.add(NOON + timedelta(seconds=30), 1.5)
    made.add(NOON, 0.5)
    assert (list(made.values), len(made)) == ([0.5, 1.5, 2.0], 3)


def test_an_event_with_nul_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        generic.parse(b'{"events": [{"status": "firing", "summary": "a\\u0000b", "severity": "error"}]}', "user:t")
    assert "NUL" in str(refused.value.faults)


def test_a_result_in_a_recording_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(Invalid) as refused:
        read(["timestamp,value\n", "2026-11-23T12:00Z,critical\n", "2026-11-23T12:01Z,broken\n", "2026-11-23T12:02Z,4\n"], True)
    known = "write ok, warning, critical, unknown, or 0 to 3"
    assert [(one.field, one.detail) for one in refused.value.faults] == [
        ("line 3", f"'broken' is not a result; {known}"),
        ("line 4", f"'4' is not a result; {known}"),
    ]


class Plugin(BaseModel):
    """Settings of a probe that somebody else wrote, with pydantic's own types."""

    day: date = date(2026, 11, 2)
    began: datetime = NOON
    at: time = time(9)
    limit: timedelta = timedelta(minutes=5)


@pytest.mark.parametrize("field, wanted", [
    ("day", "a date like 2026-11-02"), ("began", "a date and time like 2026-11-02T09:00:00Z"), ("at", "a time like 09:00"),
    ("limit", "a duration like 00:05:00"),
])  # fmt: skip
def test_a_number_is_no_date_no_time_and_no_length_in_the_settings_of_any_probe(field: str, wanted: str) -> None:
    value, wrong = parsed(Form(Plugin), Node({field: Node(0, 3, "0")}, 3), 'check "c"')
    assert value is None
    assert [(path, reason.facts["wanted"], reason.facts["found"]) for path, reason in wrong] == [((field,), wanted, "0")]


def test_what_is_typed_into_the_form_of_a_probe_is_what_was_meant_and_secrets_are_variables_in_what_it_gives_to_paste() -> None:
    known = fields(probes.found("health.nagios").spec, {})
    typed = {"with.command": "/bin/check_db", "secret.environment": "DB_PASSWORD: hunter2\ndb-user: ada\n"}
    found, faults = settings(known, typed, {})
    assert (found["environment"], faults) == ({"DB_PASSWORD": "hunter2", "db-user": "ada"}, [])
    assert to_paste(known, found)["environment"] == {"DB_PASSWORD": "${DB_PASSWORD}", "db-user": "${DB_USER}"}


@pytest.mark.parametrize(
    "probe, field, typed, meant",
    [
        ("health.icmp", "ip_version", "6", 6),
        ("health.http", "verify_tls", "no", False),
        ("health.http", "method", "HEAD", "HEAD"),
    ],
    ids=["a number", "a yes or no", "a word"],
)
def test_what_is_chosen_in_the_form_of_a_probe_has_its_type(probe: str, field: str, typed: str, meant: object) -> None:
    found, faults = settings(fields(probes.found(probe).spec, {}), {f"with.{field}": typed}, {})
    assert (found, faults) == ({field: meant}, [])


@pytest.mark.parametrize("value, text", [(True, "yes"), (False, "no"), (0.1, "0.1"), (None, ""), (7, "7"), ("x", "x")])
def test_a_setting_is_written_as_people_write_it(value: object, text: str) -> None:
    assert written(value) == text


@pytest.mark.parametrize("value, text", [(None, "–"), (0.00001, "1.00e-05"), (12_345, "12.3k"), (2.5e12, "2.5T")])
def test_a_figure_has_few_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    "files, said",
    [
        ("routes: [{match: 'a=', policy: p}, {match: 'b=~\"(\"', policy: p}]", "the last route"),
        ("checks: {web: {probe: health.tcp, with: 7}}", "with"),
        ("checks: {web: {probe: health.tcp, with: }}", "host"),
        ("checks: {web: {probe: health.tcp, every: yes, with: {host: h, port: 1}}}", "every"),
    ],
    ids=["a last route that cannot be read", "settings that are no map", "settings left empty", "yes for a length"],
)  # fmt: skip
def test_what_cannot_be_read_is_one_error_with_its_place(files: str, said: str) -> None:
    errors = load_texts({"all.yaml": files}, {}).errors
    assert any(said in one.message for one in errors), [str(one) for one in errors]
