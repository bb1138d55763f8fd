"""Whether an address can be a contact: the same in the console and in `config check`; and links hold any name."""

from datetime import timedelta

import pytest

from app.configfile.load import load_texts
from app.notify.compose import MessageContext, compose
from app.notify.contact import wrong
from app.notify.model import Claim
from tests.decisions.words import NOON, draft, incident

BAD = {
    "empty": ("webhook", " ", "the address is empty"),
    "long": ("webhook", "x" * 9000, "the address has 9000 characters; at most 512 are allowed"),
    "a line break": ("webhook", "x\r\nBcc: y", "the address contains a line break"),
    "a NUL": ("webhook", "x\0", "the address contains a line break or another invisible character"),
    "from right to left": ("webhook", "x\u202ey", "the address contains a line break or another invisible character"),
    "of no kind yet": ("telegram", "x\n", "the address contains a line break"),
    "no mail address": ("email", "ada", "'ada' is not a mail address"),
    "two mail addresses": ("email", "a@b.c, d@e.f", "'a@b.c, d@e.f' is not a mail address"),
    "a long mail address": ("email", f"a@{'b' * 260}.c", "'a@bbb"),
    "a long name": ("email", f"{'a' * 65}@b.c", "'aaa"),
    "a space": ("webhook", " x", "the address begins or ends with a space"),
}


@pytest.mark.parametrize("kind,to,why", BAD.values(), ids=BAD)
def test_what_nothing_can_be_sent_to(kind: str, to: str, why: str) -> None:
    assert (wrong(kind, to) or "").startswith(why)


GOOD = [("email", "ada@example.org"), ("email", "jörg@example.org"), ("webhook", "ada"), ("sms", "+1")]


@pytest.mark.parametrize("kind,to", GOOD)
def test_what_something_can_be_sent_to(kind: str, to: str) -> None:
    assert wrong(kind, to) is None


@pytest.mark.parametrize("contact", ['"x\\r\\nBcc: y"', f'"{"x" * 600}"', '{channel: mail, to: "a\\nb"}'])
def test_config_check_says_so_with_the_line(contact: str) -> None:
    name = "mail" if not contact.startswith("{") else "work"
    files = {
        "a.yaml": "routes: []\nchannels: {mail: {kind: email, host: h, sender: a@b.c}}\n"
        f"users:\n  ada:\n    contacts:\n      {name}: {contact}\n"
    }
    (found,) = load_texts(files, {}).errors
    assert (found.line, found.message.startswith(f'contact "{name}" of user "ada": the address ')) == (6, True), found


@pytest.mark.parametrize(
    "name,quoted",
    [("a", "a"), ("a?b#c%d", "a%3Fb%23c%25d"), ('"<b>', "%22%3Cb%3E"), ("größe", "gr%C3%B6%C3%9Fe"), ("a b/c", "a%20b%2Fc")],
)
def test_a_runbook_of_any_name_is_in_the_link(name: str, quoted: str) -> None:
    message = compose(
        Claim(1, 1, 1, draft()), incident(runbook=name), [], MessageContext("https://t", b"k"), NOON + timedelta(days=1)
    )
    link = f"https://t/runbooks/{quoted}"
    assert message.json["links"]["runbook"] == link
    assert f"Runbook: {link}\n" in message.text
    assert f'href="{link}"' in message.html
