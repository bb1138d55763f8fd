"""Graphs are marked with round values and round times."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.graph import Curve, Scene, Spot, graph

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def scene(low: float, high: float, length: timedelta = timedelta(hours=6), metric: str = "m", start: datetime = NOON) -> Scene:
    values = (low, high, low)
    spots = [Spot(start + length * place / 3, value, value, value) for place, value in enumerate(values)]
    return Scene(metric=metric, window=(start, start + length), curves=(Curve(spots=tuple(spots)),), zone=PARIS)


@pytest.mark.parametrize(
    "low, high, texts",
    [
        (26.8, 28.2, ["26.5", "27", "27.5", "28", "28.5"]),
        (0, 1, ["0", "0.25", "0.5", "0.75", "1"]),
        (3, 97, ["0", "25", "50", "75", "100"]),
        (-5, 5, ["-5", "-2.5", "0", "2.5", "5"]),
        (7, 7, ["2.5", "5", "7.5", "10", "12.5"]),
    ],
)
def test_values_are_round(low: float, high: float, texts: list[str]) -> None:
    drawn = graph(scene(low, high))
    assert drawn is not None
    assert [one.text for one in drawn.values] == texts


@pytest.mark.parametrize(
    "start, length, texts",
    [
        (NOON + timedelta(minutes=7), timedelta(hours=1), ["13:10", "13:20", "13:30", "13:40", "13:50", "14:00"]),
        (NOON, timedelta(hours=6), ["13:00", "14:00", "15:00", "16:00", "17:00", "18:00"]),
        (NOON, timedelta(days=1), ["15:00", "18:00", "21:00", "24 Nov", "03:00", "06:00", "09:00"]),
        (NOON, timedelta(days=7), ["24 Nov", "25 Nov", "26 Nov", "27 Nov", "28 Nov", "29 Nov", "30 Nov"]),
    ],
)
def test_times_are_round_in_the_readers_zone(start: datetime, length: timedelta, texts: list[str]) -> None:
    drawn = graph(scene(1, 2, length, start=start))
    assert drawn is not None
    assert [one.text for one in drawn.times] == texts


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e12))
def test_every_line_stays_within_its_values(low: float, height: float) -> None:
    drawn = graph(scene(low, low + height))
    assert drawn is not None
    assert 2 <= len(drawn.values) <= 6
    places = [one.place for one in drawn.values]
    assert places == sorted(places, reverse=True)
    assert [places[0], places[-1]] == pytest.approx([100, 0], abs=1e-6)


@pytest.mark.parametrize("low, high", [(1e17, 1e17 + 16), (-1.7e308, 1.7e308), (0, 5e-324), (1e300, 1e300), (0, 0)])
def test_what_has_no_round_values_is_drawn_all_the_same(low: float, high: float) -> None:
    drawn = graph(scene(low, high))
    assert drawn is not None
    assert len(drawn.values) >= 2


def test_a_change_of_clocks_moves_no_label_off_its_hour() -> None:
    autumn = datetime(2026, 10, 24, 20, tzinfo=UTC)
    drawn = graph(scene(1, 2, timedelta(hours=12), start=autumn))
    assert drawn is not None
    assert [one.text for one in drawn.times] == ["22:00", "25 Oct", "02:00", "04:00", "06:00", "08:00"]
    assert [round(one.place) for one in drawn.times] == [0, 17, 33, 58, 75, 92]
