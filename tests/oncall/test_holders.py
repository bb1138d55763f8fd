"""Who holds at an instant, and for how long that stays so. All times are UTC."""

from datetime import timedelta

import pytest

from app.oncall.model import On
from app.oncall.resolve import HORIZON, holders
from tests.oncall.words import PARIS, Layer, always, at, between, layer, schedule

NEW = layer("new", "ada", "1d", "00:00", "2026-11-01")
LATE = always("late", "bo", only=[{"from": "22:00", "to": "02:00"}])
WEEKLY = always("day", "ada", only=[{"days": ["wed"], "from": "09:00", "to": "17:00"}])
ON = [
    pytest.param(
        [NEW, LATE], "2026-11-02 21:59", "ada", "2026-11-02 02:00", "2026-11-02 22:00", id="before a hand-over, the old one"
    ),
    pytest.param([NEW, LATE], "2026-11-02 22:00", "bo", "2026-11-02 22:00", "2026-11-03 02:00", id="at it, the new one"),
    pytest.param([WEEKLY], "2026-11-04 17:00", "", "2026-11-04 17:00", "2026-11-11 09:00", id="at the end of a shift, nobody"),
    pytest.param([WEEKLY], "2026-11-10 12:00", "", "2026-11-04 17:00", "2026-11-11 09:00", id="late in a gap, both its ends"),
    pytest.param([WEEKLY], "2026-11-05 12:00", "", "2026-11-04 17:00", "2026-11-11 09:00", id="early in a gap, both its ends"),
    pytest.param([NEW], "2026-10-31 12:00", "", None, "2026-11-01 00:00", id="a gap lasts until somebody holds"),
    pytest.param([NEW], "2026-11-20 12:00", "ada", "2026-11-01 00:00", None, id="who holds beyond the horizon has no end"),
    pytest.param([NEW], "2026-12-30 12:00", "ada", "2026-11-01 00:00", None, id="a beginning within the horizon is found"),
    pytest.param([NEW], "2026-12-31 00:00", "ada", None, None, id="a beginning at the horizon is beyond it"),
    pytest.param([], "2026-11-02 12:00", "", None, None, id="where nobody ever holds, nobody does"),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "when", "user", "since", "until"), ON)
def test_holders_say_since_when_and_until_when(
    layers: list[Layer],
    when: str,
    user: str,
    since: str | None,
    until: str | None,
) -> None:
    told = holders(schedule(*layers, timezone="UTC"), PARIS, [], at(when))
    assert told == On((user,) if user else (), at(since) if since else None, at(until) if until else None)
    assert timedelta(days=60) == HORIZON


def test_how_long_somebody_holds_is_about_the_person_not_the_source() -> None:
    rota = schedule(always("base", "ada"), timezone="UTC")
    more = [between("2026-11-02 08:00", "2026-11-02 09:00", "ada"), between("2026-11-02 20:00", "2026-11-03 08:00", "bo")]
    assert holders(rota, PARIS, more, at("2026-11-02 08:30")) == On(("ada",), None, at("2026-11-02 20:00"))
