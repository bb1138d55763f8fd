"""Every command: what it prints, how it exits, and that an error is one line that says what to do."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from app.catalog import store as catalog
from app.cli import COMMANDS
from app.cli.checks import _say_result
from app.db import transaction
from tests.cli.conftest import Tocsin


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(tocsin: Tocsin, command: str) -> None:
    said = tocsin(command, "--help")
    assert said.status == 0
    assert "Usage" in said.out


def test_help_lists_every_command_but_the_hidden(tocsin: Tocsin) -> None:
    out = tocsin("--help").out
    assert all(f" {name} " in out for name, entry in COMMANDS.items() if not entry.hidden)
    assert "prepare" not in out


WRONG = {
    "nonsense": 2,
    "incidents nonsense": 2,
    "incidents show": 2,
    "incidents show x": 2,
    "incidents show 999": 2,
    "incidents ack 999": 2,
    "incidents undo 999": 2,
    "incidents list --state gone": 2,
    "incidents snooze 1 --for soon": 2,
    "incidents list --limit 0": 2,
    "checks show nope": 2,
    "checks run nope": 2,
    "checks try nope": 2,
    "checks try health.tpc": 2,
    "checks try web --timeout 41s": 2,
    "checks try web --timeout banana": 2,
    "checks try health.tcp --with hots=x --with port=99999": 2,
    "checks pause nope": 2,
    "oncall shifts nope": 2,
    "oncall now --at 2026-11-04T12:00:00": 2,
    "oncall now --at yesterday": 2,
    "oncall coverage --days 0": 2,
    "oncall override primary --user nobody --to 2026-11-04T12:00:00Z --from 2026-11-04T10:00:00Z": 2,
    "oncall override primary --user vi --to 2026-11-04T12:00:00Z --from 2026-11-04T10:00:00Z": 2,
    "preview --labels a~b": 2,
    "preview --labels a=b --severity bad": 2,
    "preview": 2,
    "runbooks show shop-dwn": 2,
    "send --severity bad --summary x": 2,
    "page": 2,
    "page user:bo": 2,
    "page user:bob --summary x": 2,
    "page user:vi --summary x --preview": 2,
    "page channel:hook --summary x": 2,
    "page user:bo --summary x --severity bad": 2,
    "page user:bo --summary a\udcffb": 2,
    "send": 2,
    "integrations add x --kind nonsense": 2,
    "integrations add x --kind grafana": 2,
    "integrations rotate nope": 2,
    "users invite x --role boss": 2,
    "users token nope": 2,
    "users list --as": 2,
    "incidents list --as nobody": 2,
    "checks pause web --as ada": 2,
    "checks pause web --for 1x --as ed": 2,
    "checks pause web --until noon --as ed": 2,
    "checks pause web --until 2020-01-01T00:00:00Z --as ed": 2,
    "checks pause web --for 1h --until 2030-01-01T00:00:00Z --as ed": 2,
    "checks pause web --as nobody": 2,
}
PLANNED = (
    "explain 1", "why-not --labels a=b --user x --at T", "rules backtest R", "rules review",
    "silences list", "silences add --x y", "silences expire z", "ledger verify", "drill", "backup", "restore x",
    "import opsgenie F", "oncall swap",
)  # fmt: skip


@pytest.mark.parametrize("words, status", WRONG.items())
def test_a_mistake_is_one_line_that_says_what_to_do(tocsin: Tocsin, words: str, status: int) -> None:
    said = tocsin(*words.split())
    assert said.status == status
    assert said.out == ""
    assert said.err.startswith("tocsin: ")
    assert said.err.count("\n") == 1


RANGES = {
    "audit --limit 0": 'invalid value for "--limit": must be at least 1; see `tocsin audit --help`',
    "incidents list --limit 501": 'invalid value for "--limit": must be at most 500; see `tocsin incidents list --help`',
    "worker -c x": 'invalid value for "-c" / "--concurrency": must be a whole number; see `tocsin worker --help`',
}


@pytest.mark.parametrize("words, told", RANGES.items())
def test_an_option_out_of_its_range_is_refused_in_the_same_words_as_elsewhere(tocsin: Tocsin, words: str, told: str) -> None:
    said = tocsin(*words.split())
    assert (said.status, said.err) == (2, f"tocsin: {told}\n")


def test_a_wrong_word_is_answered_as_other_errors_are(tocsin: Tocsin) -> None:
    said = tocsin("incidents", "unacknowledg")
    assert said.err == 'tocsin: no such command "unacknowledg" (did you mean "unacknowledge"?); see `tocsin incidents --help`\n'


TRIED = {
    "health.tpc": 'probe "health.tpc" not found (did you mean "health.tcp"?)',
    "web --timeout 41s": "timeout of web: a check may take at most 40s; use a heartbeat for longer jobs",
    "web --timeout banana": "timeout of web: 'banana' is not a duration; write 30s, 5m, 1h30m, 2d or 1w",
    "health.tcp --with hots=x --with port=many": (
        'missing required field "host" in with of health.tcp; with.port of health.tcp must be a whole number, not "many"; '
        'unknown key "hots" in with of health.tcp (did you mean "host"?)'
    ),
}


@pytest.mark.parametrize("words, told", TRIED.items())
def test_what_cannot_be_tried_is_said_as_config_check_says_it(tocsin: Tocsin, words: str, told: str) -> None:
    said = tocsin("checks", "try", *words.split())
    assert (said.status, said.err) == (2, f"tocsin: {told}\n")


@pytest.mark.parametrize("words", PLANNED)
def test_what_is_planned_says_so_and_never_pretends(tocsin: Tocsin, words: str) -> None:
    said = tocsin(*words.split())
    assert (said.status, said.out) == (2, "")
    assert "not active yet" in said.err
    assert said.err.count("\n") == 1


LISTS = (
    "users list", "checks list", "incidents list", "oncall now", "oncall shifts primary", "oncall coverage", "rules list",
    "runbooks list", "audit", "integrations list",
)  # fmt: skip


@pytest.mark.parametrize("words", LISTS)
def test_lists_print_json(tocsin: Tocsin, words: str) -> None:
    said = tocsin(*words.split(), "--json")
    assert said.status == 0
    assert set(said.json) == {"items", "next"}
    assert tocsin(*words.split()).status == 0


def test_page_opens_an_incident_that_pages_at_once(tocsin: Tocsin) -> None:
    from app import line

    asked = ("page", "schedule:primary", "--summary", "No customer can order", "--key", "k", "--as", "ada")
    seen = tocsin(*asked, "--preview", "--json").json
    assert seen["policy"] == "schedule:primary"
    lines = tocsin(*asked, "--preview").out.splitlines()
    assert lines[0] == "policy: schedule:primary, high urgency"
    assert len(lines) == 1 + len(seen["steps"])
    assert tocsin("incidents", "list").out == "no incidents match\n"
    assert tocsin(*asked).out == "#1: No customer can order\n"
    line.escalate()
    assert tocsin(*asked).out == "#1 is already open: No customer can order\n"
    assert tocsin(*asked, "--json").json["number"] == 1
    refused = tocsin("page", "user:bo", "--summary", "x", "--key", "k", "--as", "ada")
    assert (refused.status, refused.out) == (1, "")
    assert "paged" in tocsin("incidents", "show", "1").out
    assert "incident.paged" in tocsin("audit").out


def test_from_send_to_resolved(tocsin: Tocsin) -> None:
    from app import pager

    sent = tocsin("send", "--service", "shop", "--severity", "critical", "--summary", "disk full", "--key", "disk", "--json")
    assert (sent.status, sent.json["events"][0]["key"]) == (0, "disk")
    pager.run_until_idle()
    (one,) = tocsin("incidents", "list", "--json").json["items"]
    assert (one["number"], one["title"], one["state"]) == (1, "disk full", "triggered")
    assert tocsin("incidents", "show", "#1", "--json").json["timeline"][0]["kind"] == "opened"
    shown = tocsin("incidents", "show", "1").out
    assert "escalates to" in shown
    times = re.findall(r"\d{4}-\d\d-\d\d\S* ?[\d:.+Z]*", shown + tocsin("incidents", "list").out)
    assert {re.sub(r"\d", "9", at) for at in times} == {"9999-99-99 99:99:99Z"}
    assert tocsin("incidents", "assign", "1", "bo", "--as", "ada").status == 0
    assert tocsin("incidents", "undo", "1", "--as", "ada").out == "#1 undone: disk full\n"
    refused = tocsin("incidents", "undo", "1", "--as", "ada")
    assert (refused.status, refused.out) == (1, "")
    foretold = tocsin("incidents", "escalate", "1", "--preview", "--to", "bo").out
    assert foretold.startswith("assign bo: bo (")
    assert "bo via inbox" in foretold
    assert tocsin("incidents", "escalate", "1", "--preview").out.startswith("step 2: ")
    assert tocsin("incidents", "escalate", "1", "--step", "2").out == "#1 escalated to step 2: disk full\n"
    assert tocsin("incidents", "escalate", "1", "--step", "7").status == 2
    assert tocsin("incidents", "escalate", "1", "--to", "bo").out == "#1 assigned to bo: disk full\n"
    assert tocsin("incidents", "ack", "#1", "--as", "ada").out == "#1 acknowledged: disk full\n"
    assert [one["state"] for one in tocsin("incidents", "list", "--json").json["items"]] == ["acknowledged"]
    assert tocsin("incidents", "note", "1", "looking").status == 0
    assert tocsin("incidents", "assign", "1", "bo").status == 0
    assert tocsin("incidents", "snooze", "1", "--for", "30m").status == 0
    assert "snoozed until 2" in tocsin("incidents", "snooze", "1").out
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    until = f"snoozed until {later:%Y-%m-%d %H:%M:%S}Z"
    assert until in tocsin("incidents", "snooze", "1", "--until", later.isoformat()).out
    assert "not both" in tocsin("incidents", "snooze", "1", "--until", later.isoformat(), "--for", "1h").err
    assert tocsin("incidents", "resolve", "1").status == 0
    assert tocsin("incidents", "list", "--json").json["items"] == []
    again = tocsin("incidents", "ack", "1")
    assert again.status == 1
    assert "resolved" in again.err
    actors = {line["actor"] for line in tocsin("audit", "--object", "incident:1", "--json").json["items"]}
    assert actors == {"ada", "admin"}


def test_several_incidents_at_once_and_the_worst_status_counts(tocsin: Tocsin) -> None:
    from app import pager

    for service in ("shop", "db"):
        tocsin("send", "--service", service, "--summary", "x", "--key", service)
    pager.run_until_idle()
    said = tocsin("incidents", "ack", "1", "#2", "77")
    assert said.status == 2
    assert said.out.count("acknowledged") == 2
    assert "incident #77 not found" in said.err
    assert tocsin("incidents", "merge", "2", "--into", "#1").status == 0
    assert tocsin("incidents", "reopen", "2").status == 1


def test_send_resolves_what_it_raised(tocsin: Tocsin) -> None:
    from app import pager

    tocsin("send", "--service", "shop", "--summary", "x", "--key", "k")
    tocsin("send", "--service", "shop", "--summary", "x", "--key", "k", "--resolve")
    pager.run_until_idle()
    assert tocsin("incidents", "list", "--json").json["items"] == []


def test_what_is_not_printable_never_reaches_the_terminal(tocsin: Tocsin) -> None:
    from app import pager

    tocsin("send", "--service", "shop", "--summary", "\x1b]0;owned\x07 \u202e")
    pager.run_until_idle()
    said = tocsin("incidents", "list")
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out


def test_people_are_invited_and_get_tokens(tocsin: Tocsin) -> None:
    assert "/invite/" in tocsin("users", "invite", "cy", "--role", "editor").out
    assert tocsin("users", "token", "cy", "--json").json["token"].startswith("tocsin_")
    assert "cy" in {one["login"] for one in tocsin("users", "list", "--json").json["items"]}
    assert tocsin("users", "invite", "dee", "--as", "ada").status == 2


def test_integrations_print_their_key_and_url(tocsin: Tocsin) -> None:
    made = tocsin("integrations", "add", "ci", "--kind", "generic", "--service", "shop").json
    assert set(made) == {"name", "kind", "key", "url"}
    assert len(made["key"]) == 32
    assert tocsin("integrations", "rotate", "ci").json["key"] != made["key"]
    assert tocsin("integrations", "add", "ci").status == 1


def test_a_labelled_value_of_a_result_is_printed_with_its_labels(capsys: pytest.CaptureFixture[str]) -> None:
    series = [{"metric": "up", "labels": {"job": "x", "zone": "b"}, "value": 1.0}]
    result = {"name": "web", "status": "ok", "seconds": 0.1, "message": "", "metrics": {"seconds": 0.1}, "series": series}
    _say_result(result, "", metrics=True)
    assert capsys.readouterr().out.splitlines() == ["web: ok in 100 ms", "  seconds: 100 ms", '  up{job="x",zone="b"}: 1']


def test_checks_are_shown_paused_and_resumed(tocsin: Tocsin) -> None:
    assert tocsin("checks", "show", "web", "--json").json["probe"] == "health.tcp"
    assert tocsin("checks", "pause", "web", "--as", "ed").out == "web: paused until resumed\n"
    said = tocsin("checks", "pause", "web", "--for", "2h", "--reason", "moved", "--as", "ed").out
    assert said.startswith("web: paused until 20")
    assert said.endswith(" (moved)\n")
    assert 'check "web" is paused' not in tocsin("doctor").out
    tocsin("checks", "pause", "web", "--reason", "moved", "--as", "ed")
    assert 'note: check "web" is paused for ' in tocsin("doctor").out
    assert " by ed, with no end: moved; resume it: `tocsin checks resume web`" in tocsin("doctor").out
    assert tocsin("checks", "show", "web", "--json").json["paused"] is True
    shown = tocsin("checks", "show", "web").out.splitlines()
    assert {"status: -", "next_due_at: paused", "paused: yes", "every: 1m", "labels: -"} <= set(shown)
    assert tocsin("checks", "resume", "web").status == 0


def test_who_is_on_call_and_taking_over(tocsin: Tocsin) -> None:
    at = "2026-11-04T12:00:00Z"
    assert tocsin("oncall", "now", "--at", at, "--json").json["items"][0]["users"] == ["ada"]
    when = ("--from", "2026-11-04T11:00:00Z", "--to", "2026-11-04T13:00:00Z")
    assert tocsin("oncall", "override", "primary", "--user", "bo", *when, "--reason", "x").status == 0
    assert tocsin("oncall", "now", "--at", at, "--json").json["items"][0]["users"] == ["bo"]
    shifts = tocsin("oncall", "shifts", "primary", "--from", "2026-11-04T00:00:00Z", "--to", "2026-11-05T00:00:00Z", "--json")
    assert [(one["user"], one["source"]) for one in shifts.json["items"]] == [
        ("ada", "layer"), ("bo", "override"), ("ada", "layer"),
    ]  # fmt: skip


def test_taking_over_for_a_while(tocsin: Tocsin) -> None:
    start = ("--user", "bo", "--from", "2026-11-04T11:00:00Z")
    made = tocsin("oncall", "override", "primary", *start, "--for", "2h")
    assert "from 2026-11-04 11:00:00Z to 2026-11-04 13:00:00Z" in made.out
    assert "give --for or --to" in tocsin("oncall", "override", "primary", *start).err
    both = tocsin("oncall", "override", "primary", *start, "--for", "2h", "--to", "2026-11-04T13:00:00Z")
    assert "give --for or --to, not both" in both.err


def test_coverage_is_a_gate(tocsin: Tocsin) -> None:
    assert tocsin("oncall", "coverage", "--days", "30", "--fail-under", "100").status == 0
    assert tocsin("oncall", "coverage", "--days", "30", "--fail-under", "100", "--json").json["items"][0]["percent"] == 100


def test_a_schedule_with_gaps_fails_the_gate(tocsin: Tocsin) -> None:
    with transaction() as db:
        for schedule in catalog.specs(db, "schedule"):
            catalog.replace_spec(db, "schedule", schedule.name, {"layers": []})
        catalog.record_version(db, now=clock.now(db), actor="test", digest="gaps", files={}, changes=[])
    said = tocsin("oncall", "coverage", "--fail-under", "50")
    assert said.status == 1
    assert "gap: " in said.out


def test_preview_says_who_when_over_what_and_why(tocsin: Tocsin) -> None:
    words = ("preview", "--labels", "service=shop", "--at", "2026-11-04T12:00:00Z", "--severity", "critical")
    found = tocsin(*words, "--json").json
    assert (found["policy"], found["steps"][0]["user"]) == ("shop", "ada")
    assert "ada via inbox" in tocsin(*words).out


def test_runbooks(tocsin: Tocsin) -> None:
    assert tocsin("runbooks", "list", "--json").json["items"] == [{"name": "shop-down", "title": "The shop is down"}]
    assert tocsin("runbooks", "show", "shop-down").out.startswith("# The shop is down")
    assert 'did you mean "shop-down"' in tocsin("runbooks", "show", "shop-dwn").err


def test_doctor_names_what_is_missing_and_the_fix(tocsin: Tocsin) -> None:
    said = tocsin("doctor", "--json")
    assert said.status == 1
    found = {one["what"]: one["fix"] for one in said.json["findings"]}
    assert "tocsin pager" in found["no pager is running"]


def test_without_a_database_the_answer_is_no(tocsin: Tocsin, no_database: None) -> None:
    said = tocsin("incidents", "list")
    assert said.status == 1
    assert said.err.count("\n") == 1
    assert "database" in said.err


SUMMARY = "db \x1b]0;owned\x07\x1b[2J \x9b31m \u202etxt\u202c \x7f \u2066x"


@pytest.mark.parametrize(
    "words",
    [
        "incidents list",
        "incidents list --json",
        "incidents show 1",
        "incidents show 1 --json",
        "incidents ack 1",
        "audit --json",
    ],
)
def test_no_command_lets_a_summary_steer_the_terminal(tocsin: Tocsin, words: str) -> None:
    from app import line

    tocsin("send", "--service", "shop", "--summary", SUMMARY, "--key", "k")
    line.dedup()
    said = tocsin(*words.split())
    assert said.status == 0
    assert (said.out + said.err).replace("\n", "").isprintable()
    if words == "incidents show 1 --json":
        assert said.json["title"] == SUMMARY


def test_an_error_does_not_either(tocsin: Tocsin) -> None:
    said = tocsin("incidents", "show", "\x1b[2J\u202e1")
    assert said.status == 2
    assert said.err.replace("\n", "").replace("\x1b[31m", "").replace("\x1b[0m", "").isprintable()


def test_who_was_invited_gets_contacts_and_notification_rules(tocsin: Tocsin) -> None:
    tocsin("users", "invite", "eve")
    assert tocsin("users", "contacts", "eve", "hook=eve").out == "eve: contacts changed\n"
    wanted = ("--high", "hook,inbox=2m", "--low", "inbox", "--quiet-hours", "22:00-07:00", "--timezone", "Europe/Paris")
    said = tocsin("users", "notify", "eve", *wanted).out.splitlines()
    assert said[0] == "eve: responder, invited, time zone Europe/Paris"
    assert [line.split()[4] for line in said[1:]] == ["hook", "inbox", "inbox"]
    shown = tocsin("users", "show", "eve", "--json").json
    assert shown["settings"]["quiet_hours"] == {"from": "22:00:00", "to": "07:00:00"}
    for wrong in (("--high", "sms"), ("--quiet-hours", "22:00"), ("--timezone", "Mars"), ("--low", "inbox=soon")):
        assert tocsin("users", "notify", "eve", *wrong).status == 2
    assert tocsin("users", "show", "eve", "--json").json == shown
    assert tocsin("users", "notify", "eve", "--as", "ada").status == 2
    assert tocsin("users", "contacts", "eve", "hook").status == 2
    twice = tocsin("users", "contacts", "eve", "hook=eve", "hook=adam")
    assert (twice.status, 'duplicate contact "hook"' in twice.err) == (2, True)
    assert tocsin("users", "notify", "bo").status == 1
    assert "declared in " in tocsin("users", "show", "bo").out
