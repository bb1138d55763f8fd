"""A pager that can decide no more, though the database answers, ends so that it is started anew."""

import time

import pytest

from app import pager
from app.pager import STUCK, Pager


@pytest.mark.parametrize("since,answers,ends", [(STUCK + 1, True, True), (STUCK + 1, False, False), (STUCK - 1, True, False)])
def test_it_starts_anew_only_when_it_is_not_the_database(
    clean: None, monkeypatch: pytest.MonkeyPatch, since: float, answers: bool, ends: bool
) -> None:
    one = Pager()
    one.decided = time.monotonic() - since
    if not answers:
        monkeypatch.setattr(pager, "_libpq", lambda: "postgresql://nobody@127.0.0.1:1/none")
    one._start_anew_if_stuck()
    assert (one.failed, one.stopping.is_set()) == (ends, ends)
