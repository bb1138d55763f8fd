"""Every time from outside is read in one place, and what is shown with a Z is an instant in UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.walltime import parse_instant
from tests.cli.conftest import Tocsin

PARIS = ZoneInfo("Europe/Paris")
READ = {
    "an offset": ("2026-12-01T10:00+02:00", None, "2026-12-01 08:00:00"),
    "an offset without a colon": ("2026-12-01T10:00+0200", None, "2026-12-01 08:00:00"),
    "Z": ("2026-12-01T10:00:30Z", None, "2026-12-01 10:00:30"),
    "small letters": ("2026-12-01t10:00z", None, "2026-12-01 10:00:00"),
    "a blank": ("2026-12-01 10:00:00 +01:00", None, "2026-12-01 09:00:00"),
    "parts of a second": ("2026-12-01T10:00:00.5+00:00", None, "2026-12-01 10:00:00"),
    "on the wall": ("2026-12-01T10:00", PARIS, "2026-12-01 09:00:00"),
    "an offset counts before the zone": ("2026-12-01T10:00Z", PARIS, "2026-12-01 10:00:00"),
    "a time that does not exist": ("2026-03-29T02:30", PARIS, "2026-03-29 01:00:00"),
    "a time that exists twice": ("2026-10-25T02:30", PARIS, "2026-10-25 00:30:00"),
    "an offset in that hour": ("2026-10-25T02:30+01:00", PARIS, "2026-10-25 01:30:00"),
}


@pytest.mark.parametrize(("text", "zone", "expected"), READ.values(), ids=READ)
def test_a_time_is_the_instant_that_was_meant(text: str, zone: ZoneInfo | None, expected: str) -> None:
    found = parse_instant(text, zone)
    assert (f"{found:%Y-%m-%d %H:%M:%S}", found.tzinfo) == (expected, UTC)


REFUSED = {
    "no offset": ("2026-12-01T10:00", "has no offset; write"),
    "a day only": ("2026-12-01", "is not a time"),
    "a word": ("tomorrow", "is not a time"),
    "seconds since 1970": ("1764547200", "is not a time"),
    "a week": ("2026-W49-2T10:00Z", "is not a time"),
    "no such day": ("2026-02-30T10:00Z", "is not a time"),
    "no such hour": ("2026-02-28T25:00Z", "is not a time"),
    "no such offset": ("2026-02-28T05:00+25:00", "is not a time"),
    "another age": ("0001-01-01T00:00+14:00", "is not within the years"),
    "a far age": ("9999-12-31T23:59Z", "is not within the years"),
    "digits of another script": ("２０２６-12-01T10:00Z", "is not a time"),
    "nothing": ("", "is not a time"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_instant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_instant(text)


def test_preview_shows_the_instant_and_not_the_wall(tocsin: Tocsin) -> None:
    said = tocsin("preview", "--labels", "service=shop", "--at", "2026-12-01T10:00+02:00")
    assert "2026-12-01 08:00:00Z  step 1" in said.out
    assert "10:00:00Z" not in said.out
    told = tocsin("preview", "--labels", "service=shop", "--at", "2026-12-01T10:00+02:00", "--json").json
    assert datetime.fromisoformat(told["steps"][0]["at"]) == datetime(2026, 12, 1, 8, tzinfo=UTC)
    same = tocsin("preview", "--labels", "service=shop", "--at", "2026-12-01T08:00Z", "--json").json
    assert same == told


@pytest.mark.parametrize(
    "command", [("preview", "--labels", "a=b"), ("oncall", "now"), ("config", "routes", "test", "--labels", "a=b")]
)
def test_a_time_without_an_offset_is_refused_everywhere(tocsin: Tocsin, command: tuple[str, ...]) -> None:
    said = tocsin(*command, "--at", "2026-12-01T10:00")
    assert said.status == 2
    assert '"2026-12-01T10:00" has no offset; write 2026-11-02T09:00:00+01:00' in said.err


def test_shifts_and_overrides_are_shown_as_instants(tocsin: Tocsin) -> None:
    span = ("--from", "2027-01-01T10:00+02:00", "--to", "2027-01-01T12:00+02:00")
    assert (
        "from 2027-01-01 08:00:00Z to 2027-01-01 10:00:00Z"
        in tocsin("oncall", "override", "primary", "--user", "ed", *span).out
    )
    listed = tocsin("oncall", "overrides", "primary", "--days", "3000", "--json").json["items"]
    id_ = str(listed[-1]["id"])
    assert "ed is on call" in tocsin("oncall", "edit-override", "primary", id_, "--reason", "dentist").out
    assert "dentist" in tocsin("oncall", "overrides", "primary", "--days", "3000").out
    assert tocsin("oncall", "edit-override", "primary", "999").status == 2
    assert tocsin("oncall", "edit-override", "primary", id_, "--to", "2020-01-01T00:00:00Z").status == 2
    assert "2027-01-01 08:00:00Z  2027-01-01 10:00:00Z  override" in tocsin("oncall", "shifts", "primary", *span).out
    assert tocsin("oncall", "delete-override", "primary", id_).out == "override deleted: ed in primary\n"
    assert tocsin("oncall", "delete-override", "primary", id_).status == 2
