"""Matchers read as Alertmanager's UTF-8 syntax does, and no text breaks them."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.matcher import MAX_PATTERN, Matcher, Op, matches, parse_matchers

READS = {
    "": [],
    "{}": [],
    " { } ": [],
    "a=b": [("a", "=", "b")],
    'a="b"': [("a", "=", "b")],
    '{a="b"}': [("a", "=", "b")],
    ' { a = "b" , } ': [("a", "=", "b")],
    'a="b",c!="d"': [("a", "=", "b"), ("c", "!=", "d")],
    '{a=~"b.*",c!~"d|e"}': [("a", "=~", "b.*"), ("c", "!~", "d|e")],
    'a="b, c"': [("a", "=", "b, c")],
    'a="}"': [("a", "=", "}")],
    'a=""': [("a", "=", "")],
    "a=": [("a", "=", "")],
    '"my label"="x"': [("my label", "=", "x")],
    "服务=数据库": [("服务", "=", "数据库")],
    "a.b-c/d:e=x": [("a.b-c/d:e", "=", "x")],
    r'a="\"\\\n\t"': [("a", "=", '"\\\n\t')],
    r'a="\u00e9\U0001F514\x41\101"': [("a", "=", "é🔔AA")],
    r'a=~"\\d+"': [("a", "=~", r"\d+")],
}
REFUSES = [
    "a",
    "=b",
    '{a="b"',
    'a="b"}',
    "a=b c=d",
    "a=b,,c=d",
    ",",
    'a="b',
    "a='b'",
    "a==b",
    "a=~~b",
    "a!b",
    '""="x"',
    r'a="\d"',
    r'a="\xff"',
    r'a="\ud800"',
    'a=~"("',
    'a=~"a{1001}"',
    f'a=~"{"x" * (MAX_PATTERN + 1)}"',
    'a="b\nc"',
    "{{a=b}}",
]


@pytest.mark.parametrize("text", READS, ids=str)
def test_a_matcher_reads_as_alertmanager_reads_it(text: str) -> None:
    assert [(one.name, one.op.value, one.value) for one in parse_matchers(text)] == READS[text]


@pytest.mark.parametrize("text", REFUSES, ids=lambda text: text[:20])
def test_what_is_no_matcher_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError):
        parse_matchers(text)


@pytest.mark.parametrize(
    "matcher, labels, passes",
    [
        ('a="x"', {"a": "x"}, True),
        ('a="x"', {}, False),
        ('a=""', {}, True),
        ('a!="x"', {}, True),
        ('a=~"x|yz"', {"a": "yz"}, True),
        ('a=~"x|y"', {"a": "xy"}, False),
        ('a=~"x|y"', {"a": "ay"}, False),
        ('a=~".*"', {}, True),
        ('a=~".+"', {}, False),
        ('a!~".+"', {}, True),
        ('a=~"x$"', {"a": "x\n"}, False),
        ('a=~"(?i)X"', {"a": "x"}, True),
        ('a="x",b="y"', {"a": "x"}, False),
        ('a="x",b="y"', {"a": "x", "b": "y"}, True),
        ("", {"a": "x"}, True),
    ],
)
def test_matchers_are_anchored_anded_and_take_a_missing_label_as_empty(
    matcher: str, labels: dict[str, str], passes: bool
) -> None:
    assert matches(parse_matchers(matcher), labels) is passes


def test_a_pattern_that_hangs_other_engines_answers_at_once() -> None:
    assert not matches(parse_matchers('a=~"(a+)+$"'), {"a": "a" * 4000 + "b"})


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        parse_matchers(text)


WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(WORD.filter(bool), st.sampled_from([Op.EQUAL, Op.NOT_EQUAL]), WORD)
def test_what_is_written_reads_back(name: str, op: Op, value: str) -> None:
    matcher = Matcher(name, op, value)
    assert parse_matchers(str(matcher)) == (matcher,)
    assert parse_matchers(f"{{{matcher}, {matcher}}}") == (matcher, matcher)


@pytest.mark.parametrize("text", ["{}x", "a={}x y", "a{}x", 'a=~{}"', 'a="b"{}c', "a=~x{}y"], ids=str)
def test_any_number_of_spaces_takes_no_time(text: str) -> None:
    """Their number squared would be a minute, in which the whole process does nothing else."""
    begun = time.process_time()
    with pytest.raises(ValueError, match="matcher"):
        parse_matchers(text.format(" " * 50_000))
    assert time.process_time() - begun < 5
