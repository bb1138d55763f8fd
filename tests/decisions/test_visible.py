"""Text from outside, as people and terminals get it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.visible import plain_json, short, visible
from tests.decisions.words import quick

TEXTS = {
    "plain words": ("db is down", "db is down"),
    "every script": ("Datenbank fällt aus: データベース, база, قاعدة البيانات", None),
    "emoji of several parts": ("🚨 👩‍💻 🏳️‍🌈 👍🏽 1️⃣", None),
    "joiners that Persian and Hindi are written with": ("می‌خواهم क्‍ष", None),
    "text turned round": ("paid \u202eOK\u202c \u2066x\u2069 \u200e\u200f\u061c", "paid OK x "),
    "colours": ("\x1b[31;1mred\x1b[0m \x9b2Jgone", "red gone"),
    "a window's title": ("a\x1b]0;owned\x07b\x1b]8;;https://e\x1b\\c", "abc"),
    "a lone escape": ("a\x1b b", "a b"),
    "one that has no end": ("a\x1b]0;b c", "a]0;b c"),
    "lines": ("one\r\ntwo\u2028three\u2029four\x85five\tsix", "one two three four five six"),
    "controls": ("a\x00b\x07c\x08d\x7fe\x9cf", "abcdef"),
    "letters nobody sees": ("pass\u200bword\ufeff \u2060\u00ad\u180e\u3164x", "password x"),
    "a hidden sentence": ("x" + "".join(chr(0xE0000 + ord(char)) for char in "evil") + "y", "xy"),
    "half a letter": ("a\ud800b", "ab"),
}


@pytest.mark.parametrize("text,seen", TEXTS.values(), ids=TEXTS)
def test_what_is_read_is_what_is_there(text: str, seen: str | None) -> None:
    assert visible(text) == (text if seen is None else seen)


@quick
@given(st.text(st.characters(), max_size=80))
def test_nothing_that_steers_is_left_and_it_is_one_line(text: str) -> None:
    seen = visible(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in seen)
    assert not any(
        unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI") for char in seen
    )
    assert visible(seen) == seen
    assert len(seen.splitlines()) <= 1


@quick
@given(st.text(max_size=80))
def test_json_means_the_same_and_shows_everything(text: str) -> None:
    shown = plain_json(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(shown) == {"a": text}
    assert shown.isprintable()


CUTS = {
    "short enough": ("db", 5, "db"),
    "just enough": ("12345", 5, "12345"),
    "a long word": ("1234567", 5, "1234…"),
    "at a word's end": ("the database is down", 16, "the database is…"),
    "at the word before": ("the database is down", 14, "the database…"),
    "not in an emoji": ("ab👩‍💻cdef", 5, "ab…"),
    "not before an accent": ("abce\u0301def", 5, "abc…"),
}


@pytest.mark.parametrize("text,most,seen", CUTS.values(), ids=CUTS)
def test_a_long_text_is_cut_between_letters(text: str, most: int, seen: str) -> None:
    assert short(text, most) == seen


@quick
@given(st.text(max_size=80), st.integers(2, 40))
def test_a_cut_is_never_too_long(text: str, most: int) -> None:
    assert len(short(text, most)) <= most
