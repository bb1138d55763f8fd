"""JSONPath over documents of strangers: the standard's grammar only, RE2 only, and an end."""

import time

import pytest

from app.net.jsonpath import TooMuch, check, select

SHOP = {
    "status": "ok",
    "queue": {"depth": 7},
    "items": [{"id": 1, "is": "up"}, {"id": 2, "is": "down"}],
    "a b": 1,
    "none": None,
}


@pytest.mark.parametrize(
    "path, values",
    [
        ("$.status", ["ok"]),
        ("$['a b']", [1]),
        ("$.queue.depth", [7]),
        ("$..id", [1, 2]),
        ("$.items[?@['is'] == 'down'].id", [2]),
        ("$.items[?match(@['is'], 'u.')].id", [1]),
        ("$.items[?search(@['is'], 'w')].id", [2]),
        ("$.items[?count(@.*) == 2].id", [1, 2]),
        ("$.items[-1].id", [2]),
        ("$.items[::2].id", [1]),
        ("$.none", [None]),
        ("$.missing", []),
        ("$", [SHOP]),
    ],
)
def test_a_path_selects_as_the_standard_says(path: str, values: list[object]) -> None:
    assert select(check(path), SHOP) == values


@pytest.mark.parametrize("document", [5, "text", None, True])
def test_a_bare_value_is_a_document(document: object) -> None:
    assert select("$", document) == [document]
    assert select("$.a", document) == []


@pytest.mark.parametrize(
    "path, told",
    [
        ("status", "not a JSONPath"),
        ("$.", "not a JSONPath"),
        ("$.a | $.b", "not a JSONPath"),
        ("$[?@.a =~ /(a+)+/]", "not a JSONPath"),
        ("$[?isinstance(@.a, 'x')]", "not defined"),
        ("$.~keys", "not a JSONPath"),
        (" $.a", "whitespace"),
        ("$" + ".a" * 600, "1000 characters"),
        ("$[?match(@.a, '(a')]", "not an RE2 pattern"),
        ("$[?search(@.a, '(?=a)a')]", "not an RE2 pattern"),
        ("$[?search(@.a, '(a)\\\\1')]", "not an RE2 pattern"),
        ("$" + "[?@" * 300, "not a JSONPath"),
    ],
)
def test_what_is_no_path_is_refused_when_read(path: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check(path)


def nested(levels: int) -> list[object]:
    document: list[object] = []
    inner = document
    for _ in range(levels):
        deeper: list[object] = []
        inner.append(deeper)
        inner = deeper
    return document


WIDE: list[list[object]] = [[] for _ in range(300_000)]


@pytest.mark.parametrize(
    "path, document",
    [
        ("$..*", WIDE),
        ("$..*..*..*", WIDE),
        ("$..[?$..x && @..y]", WIDE),
        ("$..[?@..[?@..[?@..x]]]", WIDE),
        ("$" + "[*,*,*,*,*,*,*,*]" * 20, nested(40)),
        ("$[" + ",".join("0" * 300) + "][?@ == 1]", [list(range(300_000))]),
        ("$.*[*]", {"k" * 500_000: [[1]] * 200_000}),
        ("$[*][?$[0] == $[1]]", [list(range(100_000)), list(range(100_000))]),
        ("$..*", nested(900)),
    ],
    ids=lambda given: given[:40] if isinstance(given, str) else "",
)
def test_a_path_over_a_document_made_to_last_ends_soon(path: str, document: object) -> None:
    started = time.process_time()
    with pytest.raises(TooMuch):
        select(check(path), document)
    assert time.process_time() - started < 3


def test_a_pattern_from_the_document_cannot_backtrack() -> None:
    started = time.process_time()
    document = {"a": ["a" * 50_000 + "!"] * 20, "pattern": "(a*)*b", "none": "(?=a)"}
    assert select("$.a[?match(@, $.pattern)]", document) == []
    assert select("$.a[?match(@, $.none)]", document) == []
    assert time.process_time() - started < 1


def test_one_selection_leaves_the_next_its_own_steps() -> None:
    for _ in range(3):
        with pytest.raises(TooMuch):
            select("$..*", WIDE)
        assert select("$[0]", WIDE) == [[]]
