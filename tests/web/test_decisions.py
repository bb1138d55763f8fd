"""What the console decides without a database: words, graphs, pictures of schedules, cleaned runbooks, safe links."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app import figures
from app.catalog import filter as filters
from app.errors import Invalid
from app.oncall.model import Shift, Source, Span
from app.units import length
from app.walltime import clock
from app.web import rota, wall
from app.web.graph import Curve, Limit, Scene, Spot, gathered, graph, merged, sparkline
from app.web.markdown import html
from app.web.template import web_link
from app.web.toast import Toast
from app.web.visit import local_path

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "seconds, said",
    [
        (0, "0 s"), (45, "45 s"), (60, "1 min"), (200, "3 min 20 s"), (725, "12 min"), (7500, "2 h 5 min"), (90_000, "1 d 1 h"),
        (-45, "45 s"), (864_000, "10 d"),
    ],
)  # fmt: skip
def test_a_length_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert length(seconds) == length(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    "metric, value, said",
    [
        ("seconds", 0.0123, "12.3 ms"),
        ("lag_seconds", 3.2, "3.2 s"),
        ("age_seconds", 7500, "2 h 5 min"),
        ("free_bytes", 1.5e9, "1.5 GB"),
        ("free_bytes", -5e13, "-50 TB"),
        ("free_bytes", 999.7, "1 kB"),
        ("free_bytes", 999_700, "1 MB"),
        ("used_percent", 92.26, "92.3 %"),
        ("used_percent", 1234, "1234 %"),
        ("seconds", 0.99971, "1 s"),
        ("orders", 9999, "9999"),
        ("orders", 9999.7, "10k"),
        ("orders", 999_400, "999k"),
        ("orders", 999_700, "1M"),
        ("orders", 1e15, "1000T"),
        ("orders", 1204, "1204"),
        ("orders", 12_345_678, "12.3M"),
        ("x", None, "–"),
        ("x", 0, "0"),
    ],
)
def test_a_figure_carries_the_unit_of_its_metric(metric: str, value: float | None, said: str) -> None:
    assert figures.figure(metric, value) == said


def test_a_time_is_short_today_and_carries_its_day_otherwise() -> None:
    assert clock(NOON, NOON, PARIS) == "13:00"
    assert clock(NOON + timedelta(days=1), NOON, PARIS) == "Tue 24 Nov 13:00"
    assert clock(NOON - timedelta(days=365), NOON, PARIS) == "Sun 23 Nov 2025 13:00"


@pytest.mark.parametrize(
    "now, morning",
    [
        ("2026-11-23T03:00+01:00", "2026-11-23T08:00+01:00"),
        ("2026-11-23T08:00+01:00", "2026-11-24T08:00+01:00"),
        ("2026-03-28T23:00+01:00", "2026-03-29T08:00+02:00"),
    ],
)
def test_morning_is_eight_on_the_wall_also_when_clocks_change(now: str, morning: str) -> None:
    assert wall.morning(datetime.fromisoformat(now), PARIS) == datetime.fromisoformat(morning)


def test_a_typed_time_is_in_my_zone_and_nonsense_is_refused() -> None:
    assert wall.parse("2026-11-23T13:00", PARIS, "start") == NOON
    assert wall.write(NOON, PARIS) == "2026-11-23T13:00"
    with pytest.raises(Invalid, match="is not a time; write 2026-11-02T09:00"):
        wall.parse("tomorrow", PARIS, "start")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http://", "ftp://x/y", " JaVaScRiPt:x", "http://[x"]
)
def test_only_web_addresses_are_linked(url: str) -> None:
    assert web_link(url) is None
    assert web_link("https://example.org/x") == "https://example.org/x"


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "", None, "x", "/a\nb", "/a\\b"])
def test_no_form_leads_to_another_site(to: str | None) -> None:
    assert local_path(to) == "/"
    assert local_path("/incidents?state=open&q=a b") == "/incidents?state=open&q=a b"


def test_a_runbook_keeps_its_text_and_loses_its_scripts() -> None:
    made = html(
        '# The title, which the page gives\n\n# Do\n\n- [ ] "one" **now**\n- [x] two\n\n<script>alert(1)</script>\n\n'
        "[x](javascript:alert(1)) [y](https://example.org) ![p](http://e/x.png)"
    )
    assert "title" not in made
    assert "<h2>Do</h2>" in made
    assert 'aria-label="&quot;one&quot;"' in made
    assert made.count("type=checkbox") == 2
    assert made.count(" checked>") == 1
    assert "<script" not in made
    assert "<img" not in made
    assert 'href="javascript' not in made
    assert 'href="https://example.org" rel="noopener"' in made


def test_a_search_is_matchers_when_it_reads_like_them_and_words_otherwise() -> None:
    assert [str(one) for one in filters.matchers('service="shop", severity=~"critical|error"')] == [
        'service="shop"',
        'severity=~"critical|error"',
    ]
    assert filters.matchers("disk full on web-3") == ()
    with pytest.raises(Invalid):
        filters.matchers('service="shop')


def test_a_toast_survives_its_cookie_and_a_forged_one_says_nothing() -> None:
    told = Toast.read(Toast.action("acknowledged", 42).written)
    assert told is not None
    assert told.undo == "/incidents/42/unacknowledge"
    said = Toast.read(Toast.plain("web is ok; 1.2 s").written)
    assert said is not None
    assert (said.text, said.undo) == ("web is ok; 1.2 s", None)
    for forged in (None, "", "acknowledged.x", "acknowledged.42/../x", "nonsense.1", "acknowledged." + "9" * 40):
        assert Toast.read(forged) is None


def _spots(start: datetime, values: list[float], step: float = 10) -> list[Spot]:
    return [Spot(start + timedelta(seconds=step * n), value, value, value) for n, value in enumerate(values)]


def test_a_graph_keeps_its_peak_its_limit_and_its_gaps() -> None:
    start = NOON - timedelta(hours=1)
    spots = [spot for n, spot in enumerate(_spots(start, [9.0 if n == 180 else 1.0 for n in range(360)])) if not 100 < n < 140]
    scene = Scene(
        "seconds",
        [Curve(spots)],
        (start, NOON),
        PARIS,
        [Limit(3.0, of="slow"), Limit(2.0, clear=True)],
        [(NOON - timedelta(minutes=5), NOON), (NOON - timedelta(minutes=6), NOON)],
        [(NOON - timedelta(minutes=7), NOON - timedelta(minutes=6))],
    )
    made = graph(scene)
    assert made is not None
    assert made.lines[0].path.count("M") == 2
    assert made.ribbon.count("M") == 2
    assert (len(made.firing), len(made.pending)) == (1, 1)
    limit, clear = made.marks
    assert (limit.text, clear.text) == ("threshold 3 s (slow)", "clears at 2 s")
    assert 0 < limit.y < clear.y < 100
    assert "between 1 s and 9 s, now 1 s, threshold 3 s" in made.summary
    few = gathered(spots, (start, NOON), 60)
    assert len(few) <= 60
    assert max(spot.high for spot in few) == 9.0
    heights = [float(place.split(" ")[1]) for place in re.split("[MLZ]+", made.ribbon) if place]
    assert min(heights) <= 10
    assert graph(replace(scene, curves=[Curve(spots[:1])])) is None
    assert sparkline([(start, 1.0)], start, NOON) == ""
    assert merged([]) == []


def test_several_series_are_lines_of_their_own_and_one_value_a_slice_is_no_ribbon() -> None:
    start = NOON - timedelta(hours=1)
    both = [Curve(_spots(start, [1.0] * 100), "a", "ka"), Curve(_spots(start, [5.0] * 100), "b", "kb")]
    made = graph(Scene("orders", both, (start, NOON), PARIS, alone=False))
    assert made is not None
    assert [(one.name, one.last) for one in made.lines] == [("a", "1"), ("b", "5")]
    assert (made.ribbon, made.last) == ("", "")
    assert "2 series" in made.summary


def test_a_band_beyond_all_bounds_does_not_flatten_the_line() -> None:
    start = NOON - timedelta(hours=1)
    spots = _spots(start, [10.0, 12.0] * 50)
    wild = [Spot(spot.at, -1e9, 11.0, 1e9) for spot in spots]
    made = graph(Scene("orders", [Curve(spots)], (start, NOON), PARIS, band=wild))
    assert made is not None
    assert made.expected
    heights = [float(place.split(" ")[1]) for place in made.lines[0].path.strip("M").split("L")]
    assert max(heights) - min(heights) >= 10


def test_a_flat_line_is_drawn_and_not_divided_by_zero() -> None:
    start = NOON - timedelta(hours=1)
    assert sparkline([(start, 0.0), (NOON, 0.0)], start, NOON).startswith("M0 ")


def test_a_schedule_shows_layers_final_gaps_days_and_the_clock_change() -> None:
    now = datetime(2026, 10, 24, 10, tzinfo=UTC)
    span = rota.window(now, 3, 0, PARIS)
    assert span[1] - span[0] == timedelta(hours=73)
    held = Shift("ada", span[0], span[0] + timedelta(hours=30), Source.OVERRIDE, None)
    made = rota.picture({"week": [held]}, [held], [Span(held.end, span[1])], span, PARIS, "ada", now)
    assert [day.change for day in made.days] == ["", "−1h", ""]
    assert [row.final for row in made.rows] == [False, True]
    kinds = [(bar.kind, bar.mine) for bar in made.rows[1].bars]
    assert kinds == [("override", True), ("gap", False)]
    assert abs(sum(bar.width for bar in made.rows[1].bars) - 100) < 0.01
    assert made.now is not None
