"""The email channel against a real SMTP server: what arrives, how it threads, what each answer means."""

import asyncio
import email
import email.policy
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.concurrency.loop import run
from app.errors import Permanent, Transient
from app.notify.channels.email import LONGEST_SUBJECT, Spec, build, send
from app.notify.channels.email import address as address_of
from app.notify.model import Receipt
from app.visible import short, visible
from tests.decisions.words import quick
from tests.notify.test_webhook import message
from tests.stack import free_port

POLICY = email.policy.default


class Post:
    """Keeps what comes; answers recipients and data as it is told."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []
        self.answers, self.wait = {"rcpt": "250 ok", "data": "250 taken as 7"}, 0.0

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self.answers["rcpt"].startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answers["rcpt"]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.wait)
        parsed = email.message_from_bytes(envelope.original_content or b"", policy=POLICY)
        assert isinstance(parsed, EmailMessage)
        self.mails.append((str(envelope.mail_from), list(envelope.rcpt_tos), parsed))
        return self.answers["data"]


class Server(Controller):
    """On a free port."""

    def factory(self) -> SMTP:
        return SMTP(self.handler, enable_SMTPUTF8=True, hostname="mail.test")


@pytest.fixture
def there() -> Iterator[tuple[Post, Spec]]:
    post = Post()
    server = Server(post, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        yield post, Spec(host="127.0.0.1", port=server.port, sender="tocsin@ops.example")
    finally:
        server.stop()


def mail(spec: Spec, timeout: float = 5, **more: Any) -> Receipt:
    return run(send(spec, message(**{"to": "ada@example.com", **more}), timeout))


def test_a_mail_arrives_as_plain_text_and_html(there: tuple[Post, Spec]) -> None:
    post, spec = there
    receipt = mail(spec, title="[ERROR] #1 Datenbank fällt aus → 漢字", text="Zeile eins\nκ 🚨", html="<p>κ 🚨</p>")
    ((sender, to, got),) = post.mails
    assert (sender, to) == ("tocsin@ops.example", ["ada@example.com"])
    assert got["Subject"] == "[ERROR] #1 Datenbank fällt aus → 漢字"
    plain, html = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().split() == ["Zeile", "eins", "κ", "🚨"]
    assert "<p>κ 🚨</p>" in html.get_content()
    assert got["Auto-Submitted"] == "auto-generated"
    assert "taken as 7" in (receipt.provider_id or "")


def test_a_repeat_has_the_same_message_id_and_all_of_an_incident_hang_together(there: tuple[Post, Spec]) -> None:
    post, spec = there
    mail(spec, attempt=1)
    mail(spec, attempt=2)
    mail(spec, key="1:1:resolved:ada")
    first, repeat, end = (one for _, _, one in post.mails)
    assert first["Message-ID"] == repeat["Message-ID"] != end["Message-ID"]
    assert first["References"] == end["References"] == end["In-Reply-To"] == "<incident-1@ops.example>"
    assert build("a@b.example", "c@d.example", message(thread=None))["References"] is None


@pytest.mark.parametrize(
    "answer,meaning",
    [
        ("421 later", Transient),
        ("450 busy", Transient),
        ("452 full", Transient),
        ("550 nobody", Permanent),
        ("554 no", Permanent),
    ],
)
@pytest.mark.parametrize("at", ["rcpt", "data"])
def test_4xx_is_tried_again_and_5xx_is_final(there: tuple[Post, Spec], at: str, answer: str, meaning: type) -> None:
    post, spec = there
    post.answers[at] = answer
    with pytest.raises(meaning, match=answer[:3]) as refused:
        mail(spec)
    assert type(refused.value) is meaning


EVIL = "hello\r\nBcc: eve@example.com\r\n\r\nspam\0"


def test_line_breaks_in_a_title_add_no_header(there: tuple[Post, Spec]) -> None:
    post, spec = there
    mail(spec, title=EVIL, key="k\r\nX-Evil: 1")
    ((_, to, got),) = post.mails
    assert to == ["ada@example.com"]
    assert got["Bcc"] is None
    assert got["X-Evil"] is None
    assert "Bcc: eve@example.com" in got["Subject"]


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "ada",
        "",
        "@example.com",
        "ada@",
        "<ada@example.com>",
        "ada@example.com>",
        "a b@example.com",
        None,
    ],
)
def test_what_is_no_single_address_is_refused_for_good_and_nothing_is_sent(
    there: tuple[Post, Spec], address: str | None
) -> None:
    post, spec = there
    with pytest.raises(Permanent, match="not a mail address"):
        mail(spec, to=address)
    assert post.mails == []


@pytest.mark.parametrize("address", ["ada@example.com", "a.d+a@sub.example.com", "o'brien@example.com", '"a b"@example.com'])
def test_usual_addresses_are_fine(address: str) -> None:
    address_of(address)  # refuses none of them


def test_a_sender_that_is_no_address_is_refused_by_the_configuration() -> None:
    with pytest.raises(ValidationError, match="not a mail address"):
        Spec(host="x", sender="tocsin")


def test_an_address_in_any_script_arrives_where_the_server_can(there: tuple[Post, Spec]) -> None:
    post, spec = there
    mail(spec, to="jörg@example.com")
    ((_, to, _),) = post.mails
    assert to == ["jörg@example.com"]


def test_the_channels_own_recipient_gets_what_is_for_nobody_else(there: tuple[Post, Spec]) -> None:
    post, spec = there
    mail(spec.model_copy(update={"to": "room@example.com"}), to=None)
    assert post.mails[0][1] == ["room@example.com"]


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    with pytest.raises(Transient):
        mail(Spec(host="127.0.0.1", port=free_port(), sender="a@b.example"))


def test_a_name_whose_first_address_does_not_answer_is_reached_over_the_next(there: tuple[Post, Spec]) -> None:
    post, spec = there  # it listens on 127.0.0.1 only, and localhost is ::1 as well
    mail(spec.model_copy(update={"host": "localhost"}))
    assert len(post.mails) == 1


def test_a_server_that_hangs_is_given_up_in_time(there: tuple[Post, Spec]) -> None:
    import time

    post, spec = there
    post.wait = 1.5
    began = time.monotonic()
    with pytest.raises((Transient, TimeoutError)):
        mail(spec, timeout=0.3)
    assert time.monotonic() - began < 1.4


def test_the_metadata_address_is_refused_by_the_configuration_and_for_good() -> None:
    with pytest.raises(ValidationError, match=r"169\.254"):
        Spec(host="169.254.169.254", port=25, sender="a@b.example")
    with pytest.raises(Permanent, match=r"169\.254"):  # as by a name that leads there
        mail(Spec.model_construct(host="169.254.169.254", port=25, sender="a@b.example"))


# --- the mail itself


def parsed(**more: Any) -> EmailMessage:
    made = build("Tocsin <tocsin@ops.example>", "ada@example.com", message(**more), AT).as_bytes()
    assert max(len(line) for line in made.split(b"\r\n")) <= 998
    assert made.count(b"\n") == made.count(b"\r\n") == made.count(b"\r")
    made.decode("ascii")
    found = email.message_from_bytes(made, policy=POLICY)
    assert isinstance(found, EmailMessage)
    return found


AT = datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)


def test_every_mail_says_when_it_was_sent_and_that_nobody_need_answer() -> None:
    got = parsed()
    assert got["Date"] == "Mon, 23 Nov 2026 12:00:01 +0000"
    assert got["Date"].datetime == AT
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["X-Auto-Response-Suppress"] == "All"
    assert str(got["From"]) == "Tocsin <tocsin@ops.example>"
    for name in ("Date", "From", "To", "Subject", "Message-ID", "MIME-Version"):
        assert len(got.get_all(name, [])) == 1


def test_the_date_is_that_of_the_attempt_and_the_id_is_not(there: tuple[Post, Spec]) -> None:
    post, spec = there
    mail(spec, uid="7f")
    (_, _, got) = post.mails[0]
    assert abs((got["Date"].datetime - datetime.now(UTC)).total_seconds()) < 60
    assert got["Message-ID"] == "<7f@ops.example>"


def test_two_stacks_with_one_sender_have_nothing_in_common() -> None:
    ours, theirs = parsed(uid="a1", thread="incident-1-a"), parsed(uid="b2", thread="incident-1-b")
    for name in ("Message-ID", "References", "In-Reply-To", "Thread-Index"):
        assert ours[name] != theirs[name], name


def test_all_of_an_incident_are_one_conversation_by_every_program_s_rule() -> None:
    """Apple Mail and most go by References; Gmail wants the same subject but for brackets as well; Judgement has its own id."""
    first = parsed(title="[CRITICAL] #42 db is down")
    for title in ("[UPDATE] [CRITICAL] #42 db is down", "[RESOLVED] #42 db is down"):
        later = parsed(title=title, key="other")
        for name in ("References", "In-Reply-To", "Thread-Index", "Thread-Topic"):
            assert first[name] == later[name], name
    assert first["Thread-Topic"] == "#42 db is down"


def test_outlooks_id_begins_with_the_incidents_start() -> None:
    index = b64decode(parsed(json={"incident": {"opened_at": "2026-11-23T12:00:00+00:00"}})["Thread-Index"])
    assert len(index) == 22
    started = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=int.from_bytes(index[:6] + b"\0\0", "big") / 10)
    assert abs((started - AT).total_seconds()) < 10
    assert parsed(json={"incident": {"opened_at": "2026-11-23T12:00:00+00:00"}}, thread="x")["Thread-Index"][-8:] != index[-8:]


SUBJECTS = {
    "long and plain": "word " * 30,
    "one long word": "x" * 190,
    "long and not ASCII": "漢字" * 95,
    "emoji of several parts": "👩‍💻" * 60,
    "accents that stand apart": "e\u0301" * 90,
    "looks like a header's encoding": "=?utf-8?q?x?= " * 10,
    "mixed": "db → 漢字 ü plain " * 12,
}


@pytest.mark.parametrize("title", SUBJECTS.values(), ids=SUBJECTS)
def test_a_long_subject_is_folded_and_arrives_as_it_was(title: str) -> None:
    assert parsed(title=title)["Subject"].split() == short(title, LONGEST_SUBJECT).split()


@pytest.mark.parametrize("spoof", ["=?utf-8?q?=E2=80=AEtxt=0D=0ABcc=3A_x?=", "=?utf-8?b?4oCu?= x", "=?x"])
def test_what_looks_like_an_encoded_word_is_read_as_it_was_written(spoof: str) -> None:
    assert parsed(title=spoof)["Subject"] == spoof


def test_a_key_of_any_length_is_folded() -> None:
    assert parsed(key="k" * 3000)["X-Tocsin-Key"] == "k" * 3000


def test_a_very_long_subject_is_cut_between_letters() -> None:
    got = str(parsed(title="[CRITICAL] #1 " + "🚨" * 1000)["Subject"])
    assert len(got) == LONGEST_SUBJECT
    assert got.endswith("🚨…")


@quick
@given(st.text(max_size=300))
def test_no_title_or_key_breaks_a_header(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    got = parsed(title=text, key=text)
    assert set(got.keys()) <= HEADERS
    assert str(got["Subject"]).split() == short(visible(text), LONGEST_SUBJECT).split()


HEADERS = {
    "Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Thread-Index", "Thread-Topic",
    "Auto-Submitted", "X-Auto-Response-Suppress", "X-Tocsin-Key", "MIME-Version", "Content-Type",
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["Tocsin", "Wächter → 漢字", "Ops, on call", "x" * 300, 'say "hello"'],
    ids=["plain", "any script", "a comma", "long", "quotes"],
)
def test_the_senders_name_arrives(name: str) -> None:
    quoted = name.replace('"', '\\"')
    made = build(f'"{quoted}" <tocsin@ops.example>', "ada@example.com", message()).as_bytes()
    (found,) = email.message_from_bytes(made, policy=POLICY)["From"].addresses
    assert (found.display_name, found.addr_spec) == (name, "tocsin@ops.example")


@pytest.mark.parametrize("field", ["sender", "to"])
@pytest.mark.parametrize("value", ["nobody", "a@-ü.example", "a@b.example\r\nBcc: x@y.example", "a@b.example; c@d.example"])
def test_an_address_that_is_none_is_refused_by_the_configuration(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match="not a mail address"):
        Spec(**{"host": "x", "sender": "a@b.example"} | {field: value})


def test_the_sender_is_one() -> None:
    with pytest.raises(ValidationError, match="not a mail address"):
        Spec(host="x", sender="a@b.example, c@d.example")


def test_a_channel_may_have_several_recipients(there: tuple[Post, Spec]) -> None:
    post, spec = there
    mail(spec.model_copy(update={"to": "Room <room@example.com>, bo@bücher.example"}), to=None)
    ((_, to, got),) = post.mails
    assert to == ["room@example.com", "bo@xn--bcher-kva.example"]
    assert str(got["To"]) == "Room <room@example.com>, bo@xn--bcher-kva.example"
