"""When a contact that takes nothing counts as out of order, and whether the person is reached otherwise. Pure."""

import pytest

from app.notify.model import Page, PageState
from app.notify.settle import hopeful, not_answering
from tests.decisions import words
from tests.decisions.words import NOON, s


@pytest.mark.parametrize(
    "attempts,seconds,answer",
    [
        (1, 0, False),
        (1, 8, False),
        (2, 18, False),
        (2, 29.9, False),
        (3, 7, True),
        (3, 31, True),
        (2, 30, True),
        (1, 600, True),
    ],
)
def test_a_contact_is_given_three_attempts_or_half_a_minute(attempts: int, seconds: float, answer: bool) -> None:
    assert not_answering(attempts, NOON - s(seconds), NOON) is answer


def page(state: PageState = PageState.QUEUED, attempts: int = 0, age: float = 1, channel: str = "mail") -> Page:
    return words.page(channel, state, attempts=attempts, due_at=NOON - s(age))


HOPE = {
    "nothing else": ([], False),
    "taken": ([page(PageState.ACCEPTED, 1)], True),
    "delivered long ago": ([page(PageState.DELIVERED, 1, 4000)], True),
    "just begun": ([page(PageState.SENDING, 1)], True),
    "queued": ([page()], True),
    "tried in vain as well": ([page(PageState.QUEUED, 3, 20)], False),
    "tried for long": ([page(PageState.SENDING, 2, 31)], False),
    "waits for its turn": ([page(age=-300)], False),
    "failed": ([page(PageState.FAILED, 1)], False),
    "taken back": ([page(PageState.SUPERSEDED)], False),
    "the inbox wakes nobody": ([page(PageState.DELIVERED, 1, channel="inbox")], False),
    "one of several": ([page(PageState.FAILED), page(PageState.QUEUED, 5, 99), page(PageState.ACCEPTED, 1)], True),
}


@pytest.mark.parametrize("pages,answer", HOPE.values(), ids=HOPE)
def test_a_person_is_reached_otherwise_by_what_was_taken_or_still_may_be(pages: list[Page], answer: bool) -> None:
    assert hopeful(pages, NOON) is answer
