"""What can be undone, of timelines that no story tells."""

import pytest

from app.errors import Conflict
from app.escalation.undo import last_change
from tests.decisions.words import NOON


def test_where_nothing_happened_there_is_nothing_to_undo() -> None:
    with pytest.raises(Conflict, match="there is nothing to undo"):
        last_change([], "ada", NOON)
