"""A call that came before is known again by its sender and every byte; what is remembered is bounded."""

import pytest

from app.signals.recall import Recall, Remembered, Sent, digest


def call(alerts: int) -> Remembered:
    return Remembered(1, tuple(Sent(str(n), str(n), str(n)) for n in range(alerts)))


@pytest.mark.parametrize(
    "other",
    [("user:b", None, b"{}"), ("user:a", "shop", b"{}"), ("user:a", "", b"{}"), ("user:a", None, b"{} "), ("user", "a", b"{}")],
)
def test_another_sender_service_or_byte_is_another_call(other: tuple[str, str | None, bytes]) -> None:
    assert digest("user:a", None, b"{}") == digest("user:a", None, b"{}") != digest(*other)


def test_the_calls_that_came_last_are_remembered() -> None:
    recall = Recall(most=10)
    recall.put(b"a", call(4))
    recall.put(b"b", call(4))
    assert recall.get(b"a") == call(4)
    recall.put(b"c", call(4))
    assert (recall.get(b"a"), recall.get(b"b"), recall.get(b"c")) == (call(4), None, call(4))
    for _ in range(9):
        recall.put(b"a", call(2))
    recall.put(b"d", call(4))
    assert (recall.get(b"a"), recall.get(b"c"), recall.get(b"d")) == (call(2), call(4), call(4))
    recall.put(b"e", call(11))
    assert [recall.get(name) for name in (b"a", b"c", b"d", b"e")] == [None] * 4
