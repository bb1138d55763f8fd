"""A page's key: equal for what is one page, different for what is two, and the same however the page came to its contact."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from app.escalation.request import PageRequest
from app.notify.key import page_key
from app.notify.service import drafts
from app.people.model import Directory, Person, Urgency, User
from tests.decisions.words import NOON

REQUEST = PageRequest(42, 1, Urgency.HIGH, 0, 2, "ada", None, ())
ADA = User.model_validate(
    {
        "contacts": {"push": "x", "sms": "x", "a:+5": {"channel": "hook", "to": "x"}},
        "notify": {"high": ["push", {"contact": "sms", "after": "5m"}, {"contact": "a:+5", "after": "9m"}]},
    }
)
EVERYBODY = Directory({"ada": Person("ada", ADA, True, ZoneInfo("UTC"))}, {})


@pytest.mark.parametrize(
    "of, after, key",
    [
        (REQUEST, 0, "42:1:0:2:ada:push"),
        (REQUEST, 300, "42:1:0:2:ada:push:+300"),
        (replace(REQUEST, step=None), 0, "42:1:0:exhausted:ada:push"),
        (replace(REQUEST, breached=7), 0, "42:1:breach-7:2:ada:push"),
        (replace(REQUEST, user=None), 0, "42:1:0:2:-:push"),
    ],
    ids=["a step", "a contact that waits", "exhausted", "in an obligation's place", "a channel"],
)
def test_the_key_of_a_page(of: PageRequest, after: int, key: str) -> None:
    assert page_key(of, "push", after) == key


@pytest.mark.parametrize("place", [REQUEST, replace(REQUEST, step=None), replace(REQUEST, breached=7)], ids=str)
def test_a_page_that_falls_to_another_contact_has_that_contacts_key(place: PageRequest) -> None:
    """Also where it waited for its turn, and whatever the contacts are called."""
    made = drafts([place], EVERYBODY, NOON)
    assert [draft.contact for draft in made] == ["push", "sms", "a:+5"]
    assert len({draft.key for draft in made}) == 3
    for draft in made:
        assert page_key(draft, "sms") == page_key(place, "sms")
