"""Summaries: what a template shows of a value, and that no template, however hostile, runs long or stops a page."""

import time

import pytest

from app.configfile.load import load_texts
from app.reason import recorded
from app.rules.announce import signal
from app.rules.evaluate import ONE_SERIES, Transition
from app.rules.model import RuleState, SeriesState, Verdict
from app.rules.summary import check, render
from app.signals.model import SUMMARY_LIMIT
from tests.decisions.recordings import book
from tests.decisions.words import NOON

FACTS = {"value": 0.4321, "nothing": None, "because": "it is high", "rule": "r", "check": "c"}
LABELS = {"big": "x" * 5000, "host": "web 1", "format": "f", "evil": "{{ value }}{% for a in b %}"}
SHOWN = {
    "a percentage": ("{{ value | percent }}", "43 %"),
    "with a digit": ("{{ value | percent(1) }}", "43.2 %"),
    "a share made by arithmetic": ("{{ (1 - value) * 100 | round(0) }}", None),
    "rounded": ("{{ value | round(2) }} s", "0.43 s"),
    "bytes": ("{{ 123456789 | bytes }}", "118 MiB"),
    "bytes that fill no larger unit": ("{{ 1023 | bytes }} of {{ 1048000 | bytes }}", "1023 B of 1023 KiB"),
    "very many bytes": ("{{ 50000000000000 | bytes }}", "45.5 TiB"),
    "a duration": ("{{ 5400 | duration }}", "1 h 30 min"),
    "one side or the other": ("{{ 'bad' if value > 0.4 else 'well' }}", "bad"),
    "a block": ("{% if value < 0.4 %}low{% elif labels.zone %}zoned{% else %}high{% endif %}", "high"),
    "a default for a label that is missing": ("{{ labels.zone | default('everywhere') }}", "everywhere"),
    "a label in brackets": ("{{ labels['host'] | upper }}", "WEB 1"),
    "a label that is named like a method": ("{{ labels.format }}", "f"),
    "why": ("{{ rule }} on {{ check }}: {{ because }}", "r on c: it is high"),
    "what a label holds is no template": ("{{ labels.evil }}", LABELS["evil"]),
    "a percentage beyond all numbers": ("{{ (value * 1e308) | percent }}", "?"),
    "nothing in percent": ("{{ nothing | percent }}", "?"),
    "nothing at all gives the plain text": ("{% if value > 9 %}x{% endif %} ", "PLAIN"),
}


@pytest.mark.parametrize("template,expected", SHOWN.values(), ids=SHOWN)
def test_what_is_shown(template: str, expected: str | None) -> None:
    made = render(template, FACTS, LABELS, plain="PLAIN")
    assert made.text == (expected or "PLAIN")
    assert made.says_why is ("it is high" in made.text or made.text == "PLAIN")


HOSTILE = {
    "brackets": "{{ " + "(" * 2000 + "value" + ")" * 2000 + " }}",
    "nots": "{{ " + "not " * 1000 + "value }}",
    "minuses": "{{ " + "-" * 4000 + "value }}",
    "sums": "{{ value" + " + 1" * 1000 + " }}",
    "ifs in ifs": "{% if value %}" * 120 + "x" + "{% endif %}" * 120,
    "a long number": "{{ " + "9" * 4080 + " * 2 }}",
    "an endless number": "{{ 1e999 }}",
    "a power": "{{ 9 ** 99999999 }}",
    "a text three hundred million times": "{{ 'a' * 300000000 }}",
    "a wide format": "{{ '%999999999d' % 1 }}",
    "another": "{{ '{:999999999}'.format(1) }}",
    "a loop": "{% for i in range(10 ** 9) %}x{% endfor %}",
    "a macro": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "a file": "{% include '/etc/passwd' %}",
    "the class of a label": "{{ labels.host.__class__.__mro__ }}",
    "the class of a text": "{{ ''.__class__ }}",
    "a call": "{{ labels.pop('host') }}",
    "a filter that is not there": "{{ value | tojson }}",
    "no end": "{{ value",
    "no end of an if": "{% if value %}",
    "a comparison of a number and a text": "{{ value > 'a' }}",
    "a division by nothing": "{{ value / 0 }}",
    "a product beyond all numbers": "{{ value * 1e308 * 1e308 }}",
    "longer than any summary": "x" * 4097,
}
REFUSED_ONLY_WHEN_IT_RUNS = {
    "the class of a label", "the class of a text", "a comparison of a number and a text", "a division by nothing",
    "a product beyond all numbers", "a long number", "a text three hundred million times",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_template_gives_the_plain_text_at_once(name: str) -> None:
    began = time.perf_counter()
    assert render(HOSTILE[name], FACTS, LABELS, plain="PLAIN").text == "PLAIN"
    assert time.perf_counter() - began < 1
    if name not in REFUSED_ONLY_WHEN_IT_RUNS:
        with pytest.raises(ValueError):
            check(HOSTILE[name])


@pytest.mark.parametrize("name", ["brackets", "an endless number", "a loop", "no end"])
def test_config_check_warns_of_one_and_takes_it(name: str) -> None:
    rule = f'{{kind: threshold, check: c, metric: m, above: 1, summary: "{HOSTILE[name]}"}}'
    text = f"routes: []\nchecks: {{c: {{probe: health.tcp, with: {{host: localhost, port: 9}}}}}}\nrules:\n  r: {rule}\n"
    loaded = load_texts({"r.yaml": text}, {})
    assert loaded.errors == ()
    assert ["r.yaml:4" in str(one) for one in loaded.warnings if "plain summary" in str(one)] == [True]


@pytest.mark.parametrize(
    "template", ["{{ labels.big ~ labels.big ~ labels.big }}", "{{ labels.big | truncate(99999999) }}", "{{ labels }}"]
)
def test_a_long_text_is_cut(template: str) -> None:
    found = render(template, FACTS, LABELS, plain="PLAIN").text
    assert len(found) <= SUMMARY_LIMIT


@pytest.mark.parametrize("name", HOSTILE)
def test_the_page_goes_out_with_plain_text(name: str) -> None:
    known = book({"r": {"kind": "threshold", "metric": "m", "above": 1, "summary": "x"}})
    active = next(one for one in known.rules if one.name == "r")
    object.__setattr__(active, "spec", active.spec.model_copy(update={"summary": HOSTILE[name]}))
    verdict = Verdict(NOON, RuleState.FIRING, True, active.severity, 2.0, (recorded("last m 2 > 1"),))
    said = signal(active, Transition(ONE_SERIES, SeriesState(), SeriesState(RuleState.FIRING, True), verdict), last=True)
    assert said is not None
    assert said.summary == "r: last m 2 > 1"
