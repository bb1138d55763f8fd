"""`tocsin rules test` as the contract says it: forms of time, labels, empty values, absence, JSON lines, mistakes."""

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from tests.cli.conftest import SignalStatus

CONFIG = """
routes: []
checks:
  web: {probe: health.tcp, every: 1m, with: {host: 127.0.0.1, port: 9}, alert: {after: 2 of 3}}
rules:
  high: {kind: threshold, check: web, metric: seconds, above: 5}
  high-for: {kind: threshold, check: web, metric: seconds, window: 5m, above: 5, for: 2m}
  p95: {kind: threshold, check: web, metric: seconds, agg: p95, window: 1h, above: 0.9}
  gone: {kind: absence, check: web, metric: seconds}
  budget: {kind: burn_rate, check: web, objective: 99.9%}
  slow: {kind: burn_rate, check: web, objective: 99.9%, metric: seconds, above: 0.5}
  fills: {kind: forecast, check: web, metric: seconds, above: 5}
  drop: {kind: change, check: web, metric: seconds, window: 5m, compared_to: 15m, drops: 40%}
  both: {kind: composite, when: high and not drop}
"""
Try = Callable[..., SignalStatus]


@pytest.fixture
def rules_test(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Try:
    """Runs `tocsin rules test RULE` over these bytes, with a database that is not there."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/a.yaml").write_text(CONFIG)
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")

    def run(rule: str, samples: str | bytes, *words: str) -> SignalStatus:
        (tmp_path / "s.csv").write_bytes(samples.encode() if isinstance(samples, str) else samples)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["rules", "test", rule, "--samples", f"{tmp_path}/s.csv", "--config", f"{tmp_path}/conf", *words])
        said = capsys.readouterr()
        return SignalStatus(int(end.value.code or 0), said.out, said.err)

    return run


def rows(said: SignalStatus) -> list[dict[str, str]]:
    assert (said.status, said.err) == (0, "")
    return list(csv.DictReader(io.StringIO(said.out)))


TIMES = {
    "RFC 3339 in UTC": "2026-11-23T08:00:00Z",
    "in small letters": "2026-11-23t08:00:00z",
    "with an offset": "2026-11-23T09:30:00+01:30",
    "with digits of a second": "2026-11-23T08:00:00.000Z",
    "a date and a time are in UTC": "2026-11-23 08:00:00",
}


@pytest.mark.parametrize("written", TIMES.values(), ids=TIMES)
def test_forms_of_time(rules_test: Try, written: str) -> None:
    (row,) = rows(rules_test("high", f"timestamp,value\n{written},9\n"))
    assert (row["at"], row["value"], row["score"], row["state"]) == ("2026-11-23T08:00:00Z", "9", "1", "firing")
    assert row["because"] == "last seconds 9 > 5"


def test_people_read_three_digits_and_programs_all_of_them(rules_test: Try) -> None:
    text = "timestamp,value\n2026-11-23 08:00:00,9.123456\n"
    (row,) = rows(rules_test("high", text))
    assert row["value"] == "9.12"
    assert json.loads(rules_test("high", text, "--json").out)["value"] == 9.123456


def test_a_line_for_each_sample_in_order_of_time_with_its_labels(rules_test: Try) -> None:
    text = "timestamp,value,host,zone\n2026-11-23 08:01:00,9,a,\n2026-11-23 08:00:00,1,a,\n2026-11-23 08:00:00,7,b,eu\n"
    said = rows(rules_test("high", text))
    assert [(row["at"][14:16], row["value"], row["state"], row["series"]) for row in said] == [
        ("00", "1", "ok", "host=a"),
        ("00", "7", "firing", "host=b,zone=eu"),
        ("01", "9", "firing", "host=a"),
    ]


def test_lines_of_json_say_the_same_and_more(rules_test: Try) -> None:
    text = "timestamp,value,host\n2026-11-23 08:00:00,9,a\n2026-11-23 08:01:00,,a\n2026-11-23 08:03:00,9,a\n"
    said = rules_test("high-for", text, "--json")
    assert said.status == 0
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["at"], one["value"], one["score"], one["state"], one["alerting"]) for one in found] == [
        ("2026-11-23T08:00:00Z", 9.0, 1.0, "pending", False),
        ("2026-11-23T08:01:00Z", None, None, "unknown", False),
        ("2026-11-23T08:03:00Z", 9.0, 1.0, "firing", True),
    ]
    assert {json.dumps(one["labels"]) for one in found} == {'{"host": "a"}'}
    assert all(one["because"] and one["severity"] == "error" for one in found)


def test_absence_adds_a_line_without_a_value_for_each_missed_interval(rules_test: Try) -> None:
    text = "timestamp,value\n2026-11-23 08:00:00,1\n2026-11-23 08:01:00,1\n2026-11-23 08:04:00,1\n"
    said = rules_test("gone", text, "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["at"][11:16], one["value"], one["state"]) for one in found] == [
        ("08:00", 1.0, "ok"), ("08:01", 1.0, "ok"), ("08:02", None, "firing"), ("08:03", None, "firing"), ("08:04", 1.0, "ok"),
    ]  # fmt: skip
    assert [row["value"] for row in rows(rules_test("gone", text))] == ["1", "1", "", "", "1"]


FORMS = {
    "a byte order mark": b"\xef\xbb\xbftimestamp,value\n2026-11-23T08:00:00Z,9\n",
    "lines as Windows ends them": b"timestamp,value\r\n2026-11-23T08:00:00Z,9\r\n\r\n",
    "no end of the last line": b"timestamp,value\n2026-11-23T08:00:00Z,9",
    "quotes and blanks": b'"timestamp", value\n"2026-11-23T08:00:00Z" , 9 \n',
    "the scientific way": b"timestamp,value\n2026-11-23T08:00:00Z,0.9e1\n",
}


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
def test_forms_of_a_file(rules_test: Try, given: bytes) -> None:
    assert [(row["value"], row["state"]) for row in rows(rules_test("high", given))] == [("9", "firing")]


@pytest.mark.parametrize("value", ["", "NaN", "inf", "-Infinity", "1e999"])
def test_what_is_no_figure_could_not_be_told(rules_test: Try, value: str) -> None:
    (row,) = rows(rules_test("high", f"timestamp,value\n2026-11-23T08:00:00Z,{value}\n"))
    assert (row["value"], row["score"], row["state"]) == ("", "", "unknown")


def test_an_instant_told_twice_is_two_lines(rules_test: Try) -> None:
    said = rows(rules_test("high", "timestamp,value\n2026-11-23T08:00:00Z,9\n2026-11-23T08:00:00Z,1\n"))
    assert [row["state"] for row in said] == ["firing", "ok"]


def test_the_alert_of_a_check_takes_results_by_word_or_number(rules_test: Try) -> None:
    text = (
        "timestamp,value\n2026-11-23 08:00:00,ok\n2026-11-23 08:01:00,2\n2026-11-23 08:02:00,Critical\n2026-11-23 08:03:00,\n"
    )
    assert [row["state"] for row in rows(rules_test("check:web", text))] == ["ok", "ok", "firing", "unknown"]


HEAD = "timestamp,value\n"
T = "2026-11-23T08:00:00Z"
MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "the first line must name the columns: timestamp,value"),
    "no header": (f"{T},1\n", "the first line must name the columns"),
    "other columns": ("time,value\n", "the first line must name the columns"),
    "a column without a name": ("timestamp,value,\n", "a different name"),
    "a column named twice": ("timestamp,value,h,h\n", "a different name"),
    "no time": (f"{HEAD}{T},1\nyesterday,1\n", "1 invalid line: line 3: 'yesterday' is not a time; write"),
    "seconds since 1970": (f"{HEAD}1763884800,1\n", "line 2: '1763884800' is not a time"),
    "a time off the calendar": (f"{HEAD}0001-01-01T00:00:00+14:00,1\n", "'0001-01-01T00:00:00+14:00' is not within the years"),
    "a time before all time": (f"{HEAD}0001-01-01T00:00:00Z,1\n", "'0001-01-01T00:00:00Z' is not within the years 1970"),
    "no number": (f"{HEAD}\n{T},fast\n{T},1_000\n", "2 invalid lines: line 3: 'fast' is not a number"),
    "too few columns": (f"timestamp,value,host\n{T},1\n", "line 2: 2 columns; the first line names 3"),
    "too many": (f"{HEAD}{T},1,2\n", "line 2: 3 columns; the first line names 2"),
    "after a text over two lines": (f'timestamp,value,h\n{T},1,"a\nb"\n{T},x,c\n', "1 invalid line: line 4: 'x'"),
    "not UTF-8": (f"{HEAD}{T},".encode() + b"\xff\n", "not UTF-8 text"),
    "an endless field": (f'{HEAD}{T},"{"9" * 200_000}"\n', "line 2 is not valid CSV"),
}  # fmt: skip


@pytest.mark.parametrize("given,expected", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_its_line(rules_test: Try, given: str | bytes, expected: str) -> None:
    said = rules_test("high", given)
    assert (said.status, said.out) == (2, "")
    assert expected in said.err
    assert said.err.count("\n") == 1


def test_a_rule_or_file_that_is_not_there(rules_test: Try, tmp_path: Path) -> None:
    said = rules_test("hihg", HEAD)
    assert (said.status, said.out) == (2, "")
    assert 'rule "hihg" not found among the active rules of the configuration (did you mean "high"?)' in said.err
    said = rules_test("high", HEAD, "--samples", f"{tmp_path}/none.csv")
    assert (said.status, said.err) == (2, f"tocsin: {tmp_path}/none.csv: No such file or directory\n")


def test_only_a_header_is_a_recording_of_nothing(rules_test: Try) -> None:
    assert rows(rules_test("high", HEAD)) == []


@pytest.mark.parametrize("rule", ["high-for", "p95", "gone", "budget", "slow", "fills", "drop", "both", "check:web"])
def test_ten_times_the_lines_take_ten_times_as_long(rules_test: Try, rule: str) -> None:
    days = [f"2026-11-{1 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00,{n % 2}" for n in range(6_000)]

    def seconds(lines: int) -> float:
        began = time.process_time()
        said = rules_test(rule, HEAD + "\n".join(days[:lines]))
        assert said.out.count("\n") == lines + 1
        return time.process_time() - began

    assert seconds(6_000) < 3 * 10 * seconds(600)
