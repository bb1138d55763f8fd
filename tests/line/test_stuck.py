"""A pager that can decide no more, though the database answers, ends so that it is started anew."""

import time

import pytest

from app.pager import STUCK, Pager


@pytest.mark.parametrize("since,ends", [(STUCK + 1, True), (STUCK - 1, False)])
def test_it_starts_anew_when_it_could_not_decide_for_a_minute(clean: None, since: float, ends: bool) -> None:
    one = _pager(since)
    assert (one.failed, one.stopping.is_set()) == (ends, ends)


def test_it_goes_on_when_it_is_the_database_that_keeps_it(no_database: None) -> None:
    one = _pager(STUCK + 1)
    assert (one.failed, one.stopping.is_set()) == (False, False)


def _pager(since: float) -> Pager:
    one = Pager()
    one.decided = time.monotonic() - since
    one._start_anew_if_stuck()
    return one
