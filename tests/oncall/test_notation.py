"""What may be written in a schedule, and what is said about what may not."""

from collections.abc import Callable
from datetime import date, datetime

import pytest
from pydantic import ValidationError

from app.oncall.model import Only, OverrideSpec, Schedule
from app.oncall.notation import parse_bound, parse_date, parse_end, parse_every, parse_handoff, parse_time
from tests.oncall.words import Layer, layer, schedule


def said(error: ValidationError) -> str:
    return " | ".join(one["msg"] for one in error.errors())


GOOD = layer("week", "ada bo", "1w", "Mon 09:00", "2026-11-02")
NIGHT = {"from": "22:00", "to": "06:00"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"handoff": "09:00"}, 'every 1w needs a weekday in handoff; write "Mon 09:00"', id="weeks want a weekday"),
        pytest.param({"every": "7d"}, 'every 7d cannot have a weekday in handoff; write "09:00"', id="days take no weekday"),
        pytest.param({"every": "0d"}, "at least 1h", id="a rotation takes some time"),
        pytest.param({"every": "30m"}, "write 1w, 2d or 12h", id="minutes are no rotation"),
        pytest.param({"every": 7}, "write 1w, 2d or 12h", id="a bare number is no rotation"),
        pytest.param({"every": "9999w"}, "at most ten years", id="a rotation longer than a working life is a slip"),
        pytest.param({"handoff": 900}, "900 is not text; quote it", id="an unquoted time is a number"),
        pytest.param({"handoff": "Mon 24:00"}, '"24:00" is only allowed in `to`', id="24:00 is no hand-over"),
        pytest.param({"handoff": "Mo 09:00"}, "'Mo' is not a weekday; write one of mon", id="weekdays are English"),
        pytest.param({"handoff": "Mon 9:00"}, "'9:00' is not a time of day", id="hours have two digits"),
        pytest.param({"handoff": "Mon 25:00"}, "'25:00' is not a time of day", id="a day has 24 hours"),
        pytest.param({"start": "2026-02-30"}, "is not a valid date", id="February has no 30th"),
        pytest.param({"start": 20261102}, "20261102 is not a date; write 2026-11-02", id="a number is no date"),
        pytest.param({"start": datetime(2026, 11, 2, 9)}, "is not a date", id="start has no time"),  # noqa: DTZ001
        pytest.param({"start": "0001-01-01"}, "too far away", id="nobody was on call in the year 1"),
        pytest.param({"until": "2026-11-02"}, "until 2026-11-02 is not after start 2026-11-02", id="until comes after start"),
        pytest.param({"users": []}, "at least 1 item", id="a layer has users"),
        pytest.param({"users": ["ada", 7]}, '7 is not text; quote it: "7"', id="an unquoted login is a number"),
        pytest.param({"users": ["ada", True]}, 'quote it: "true"', id="an unquoted yes is no login"),
        pytest.param({"name": 1}, 'quote it: "1"', id="an unquoted name is a number"),
        pytest.param({"only": [{**NIGHT, "days": []}]}, "days is empty", id="no days at all is an error"),
        pytest.param({"only": [{**NIGHT, "days": ["mo"]}]}, "write one of mon, tue", id="days are known"),
        pytest.param({"only": [{**NIGHT, "from": "24:00"}]}, '"24:00" is only allowed in `to`', id="24:00 is no beginning"),
        pytest.param({"only": [{**NIGHT, "to": 600}]}, "600 is not text; quote it", id="an unquoted bound is a number"),
        pytest.param({"only": [{"from": "22:00"}]}, "required", id="a range has two ends"),
        pytest.param({"hours": 1}, "not permitted", id="unknown keys are errors"),
    ],
)
def test_a_wrong_layer_is_told_what_to_write(change: Layer, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        schedule({**GOOD, **change})
    assert message in said(refused.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"from": "2026-12-24T18:00", "to": "2026-12-24T18:00"}, "to is not after from", id="it lasts some time"),
        pytest.param({"from": "2026-12-24", "to": "2026-12-25T18:00"}, "is not a date and time", id="a day is no bound"),
        pytest.param({"from": 20261224, "to": "2026-12-25T18:00"}, "is not a date and time", id="a number is no bound"),
        pytest.param({"from": "2026-12-24T24:00", "to": "2026-12-25T18:00"}, "not a valid date", id="24:00 is no bound"),
        pytest.param({"from": "9999-12-24T18:00", "to": "9999-12-25T18:00"}, "too far away", id="it is in our time"),
        pytest.param({"user": 5, "from": "2026-12-24T18:00", "to": "2026-12-25T18:00"}, "quote it", id="users are text"),
    ],
)
def test_a_wrong_override_is_told_what_to_write(spec: dict[str, str | int], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OverrideSpec.model_validate({"user": "bo", **spec})
    assert message in said(refused.value)


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        pytest.param({"layers": [GOOD, GOOD]}, 'two layers are named "week"', id="layer names differ"),
        pytest.param({"layers": [GOOD], "timezone": "Europe/Pari"}, "not a time zone", id="unknown zones are refused"),
        pytest.param({"layers": [GOOD], "timezone": "../../etc/passwd"}, "not a time zone", id="a path is no zone"),
        pytest.param({"layers": [GOOD], "rotations": []}, "not permitted", id="unknown keys are refused"),
        pytest.param({}, "required", id="layers are wanted"),
    ],
)
def test_a_wrong_schedule_is_told_what_to_write(whole: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Schedule.model_validate(whole)
    assert message in said(refused.value)


@pytest.mark.parametrize(
    ("read", "text", "again"),
    [
        pytest.param(parse_every, "2w", "2w", id="weeks"),
        pytest.param(parse_every, "036h", "36h", id="hours"),
        pytest.param(parse_handoff, "monday 09:00", "Mon 09:00", id="a weekday by its full name"),
        pytest.param(parse_handoff, "SUN 23:59", "Sun 23:59", id="a weekday in capitals"),
        pytest.param(parse_handoff, "00:00", "00:00", id="midnight"),
    ],
)
def test_what_is_read_is_written_the_same(read: Callable[[object], object], text: str, again: str) -> None:
    assert str(read(text)) == again
    assert read(read(text)) == read(text)


def test_dates_come_as_text_or_as_yaml_dates() -> None:
    assert parse_date("2026-11-02") == parse_date(date(2026, 11, 2)) == date(2026, 11, 2)


def test_only_to_may_be_24_00() -> None:
    assert parse_end("24:00").total_seconds() == 86_400
    with pytest.raises(ValueError, match="is only allowed"):
        parse_time("24:00")


def test_bounds_without_an_offset_hang_on_the_wall_and_with_one_do_not() -> None:
    assert parse_bound("2026-12-24T18:00").tzinfo is None
    assert parse_bound("2026-12-24T18:00:30+01:00") == parse_bound("2026-12-24T17:00:30Z")


@pytest.mark.parametrize("mode", ["json", "python"])
def test_a_schedule_survives_being_written_and_read(mode: str) -> None:
    whole = schedule(
        {**GOOD, "until": date(2027, 1, 1), "only": [{"from": "22:00", "to": "24:00"}, {**NIGHT, "days": ["Friday", "sat"]}]},
        layer("hours", "cy", "12h", "09:00", "2026-11-02"),
        timezone="Australia/Lord_Howe",
        overrides=[{"user": "bo", "from": "2026-12-24T18:00:05", "to": "2026-12-26T09:00+01:00"}],
    )
    assert Schedule.model_validate(whole.model_dump(mode=mode, by_alias=True)) == whole
    assert hash(whole) == hash(whole.model_copy())


def test_editors_get_a_schema_with_the_keys_of_the_files() -> None:
    schema = Schedule.model_json_schema()
    assert schema["$defs"]["Only"]["required"] == ["from", "to"]
    assert schema["$defs"]["Layer"]["properties"]["every"]["type"] == "string"


def test_the_days_of_a_range_are_those_it_names() -> None:
    assert Only.model_validate({**NIGHT, "days": ["sun", "Mon"]}).weekdays == {6, 0}
    assert Only.model_validate(NIGHT).weekdays == set(range(7))
