"""The webhook channel against a real server: what is sent, what each answer means, and that nothing hangs."""

import asyncio
import hmac
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from pydantic import ValidationError

from app.catalog.model import Channel
from app.concurrency.deadline import awake
from app.concurrency.loop import run
from app.errors import Permanent, Stale, Transient
from app.notify import send
from app.notify.channels import webhook
from app.notify.model import Claim, Message, Receipt
from app.notify.outcome import Sent
from app.notify.retry import wait
from app.notify.service import Job
from tests.decisions.words import draft
from tests.receiver import Receiver, receiver


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as kept:
        yield kept


def message(**more: Any) -> Message:
    known: dict[str, Any] = {
        "key": "1:1:0:1:ada:hook",
        "to": "ada",
        "title": "t",
        "text": "x",
        "html": "<p>x</p>",
        "json": {"version": 1, "ü": "→"},
        "thread": "incident-1",
        "attempt": 1,
    }
    return Message(**known | more)


def post(url: str, timeout: float = 5, said: Message | None = None, **spec: Any) -> Receipt:
    return run(webhook.send(webhook.Spec(url=url, **spec), said or message(), timeout))


def test_what_is_posted_is_signed_json_with_the_pages_key_and_a_repeat_has_the_same_key(there: Receiver) -> None:
    for attempt in (1, 2):
        post(f"{there.url}/a", said=message(attempt=attempt), secret="whisper", headers={"X-Team": "db"})
    first, second = there.received
    assert first.json == {"version": 1, "ü": "→"}
    assert first.headers["content-type"] == "application/json"
    assert first.headers["x-team"] == "db"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "1:1:0:1:ada:hook"
    at, _, signature = first.headers["tocsin-signature"].removeprefix("t=").partition(",v1=")
    assert abs(int(at) - time.time()) < 5
    assert signature == hmac.new(b"whisper", at.encode() + b"." + first.body, sha256).hexdigest()


def test_without_a_secret_nothing_is_signed_and_headers_cannot_replace_the_key(there: Receiver) -> None:
    post(f"{there.url}/a", headers={"Idempotency-Key": "mine"})
    (got,) = there.received
    assert "tocsin-signature" not in got.headers
    assert got.headers["idempotency-key"] == "1:1:0:1:ada:hook"


def test_a_text_arrives_as_it_is_and_nothing_in_the_body_steers_a_terminal(there: Receiver) -> None:
    text = "db \x1b[2J\x9b31m \u202etxt\u202c \x7f 漢字 🚨 \U000e0041"
    post(f"{there.url}/a", said=message(json={"incident": {"title": text}}))
    (got,) = there.received
    assert got.json["incident"]["title"] == text
    assert got.body.decode().isprintable()
    assert "漢字 🚨".encode() in got.body


def test_what_is_no_longer_wanted_when_the_connection_stands_is_not_sent(there: Receiver) -> None:
    post(f"{there.url}/a", said=message(not_after=awake() + 60))
    for _ in range(2):  # over the connection that is kept, and over another
        with pytest.raises(Stale):
            post(f"{there.url}/a", said=message(not_after=awake() - 0.01))
    post(f"{there.url}/a", said=message(not_after=awake() + 60))
    assert len(there.received) == 2


ANSWERS = {
    **dict.fromkeys((200, 201, 202, 204, 299), Receipt),
    **dict.fromkeys((408, 429, 500, 502, 503, 504, 599), Transient),
    **dict.fromkeys((300, 301, 302, 304, 400, 401, 403, 404, 409, 410, 413, 422, 451), Permanent),
}


@pytest.mark.parametrize("status,meaning", ANSWERS.items())
def test_what_an_answer_means(there: Receiver, status: int, meaning: type) -> None:
    there.answers["/a"] = [status]
    if meaning is Receipt:
        assert post(f"{there.url}/a") == Receipt()
    else:
        with pytest.raises(meaning, match=str(status)) as refused:
            post(f"{there.url}/a")
        assert type(refused.value) is meaning
    assert len(there.received) == 1


@pytest.mark.parametrize(
    "asked,seconds",
    [
        ("17", 17.0),
        ("3600", 30.0),
        ("9" * 400, 30.0),
        ("0", 2.0),
        ("-5", 2.0),
        ("soon", 2.0),
        ("\xb2", 2.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 2.0),
    ],
    ids=[
        "seconds",
        "an hour is half a minute",
        "a silly number too",
        "at once is not",
        "less is not",
        "a word",
        "a power",
        "a date",
    ],
)
def test_what_a_busy_receiver_asks_for_is_done_up_to_half_a_minute(there: Receiver, asked: str, seconds: float) -> None:
    there.answers["/a"], there.headers["/a"] = [429], {"Retry-After": asked}
    with pytest.raises(Transient) as refused:
        post(f"{there.url}/a")
    assert wait(1, 0.5, refused.value.retry_after).total_seconds() == seconds


def test_a_refused_connection_is_worth_another_try() -> None:
    with pytest.raises(Transient):
        post("http://127.0.0.1:9/a")


def test_a_receiver_that_hangs_is_given_up_in_time(there: Receiver) -> None:
    there.delay["/a"] = 2
    began = time.monotonic()
    with pytest.raises(Transient):
        post(f"{there.url}/a", timeout=0.3)
    assert time.monotonic() - began < 1.5


def test_an_attempt_reaches_the_receiver_once_also_when_it_hangs_up_on_a_kept_connection() -> None:
    """libcurl would send it again by itself, and the receiver could not tell: same key, same attempt."""
    seen: list[tuple[str, int]] = []

    def one_connection(there: socket.socket) -> None:
        with there, there.makefile("rb") as lines:
            for count in range(2):
                head = {}
                while (line := lines.readline()).strip():
                    name, _, value = line.decode().partition(":")
                    head[name.lower()] = value.strip()
                body = json.loads(lines.read(int(head.get("content-length", 0))) or "null")
                if body is None:
                    return
                seen.append((head["idempotency-key"], body["page"]["attempt"]))
                if count == 0:
                    there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                one_connection(listening.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, args=(listening,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a"
        results: list[Receipt | str] = []
        for attempt in (1, 2, 3, 4):
            said = message(key="k", attempt=attempt, json={"page": {"attempt": attempt}})
            try:
                results.append(post(url, said=said))
            except Transient as error:
                results.append(str(error))
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    assert seen == [("k", attempt) for attempt in (1, 2, 3, 4)]
    assert [isinstance(one, Receipt) for one in results] == [True, False, True, False]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "ftp://example.com/x",
    ],
)
def test_an_address_that_may_never_be_called_is_refused_by_the_configuration_and_for_good(url: str) -> None:
    with pytest.raises(ValidationError):
        webhook.Spec(url=url)
    with pytest.raises(Permanent):  # as by a name that leads there
        run(webhook.send(webhook.Spec.model_construct(url=url), message(), 5))


# --- the sender


def job(name: str, channel: Channel | None) -> Job:
    return Job(Claim(1, 1, 1, draft(contact=name, channel=name)), message(), channel, awake())


async def still_wanted(_: Claim) -> bool:
    return True


def sent(*jobs: Job) -> list[Sent]:
    async def all_of() -> list[Sent]:
        return (
            [one async for batch in send.send_all(jobs, still_wanted) for one in [batch]][-1]
            if len(jobs) == 1
            else [one for batch in [batch async for batch in send.send_all(jobs, still_wanted)] for one in batch]
        )

    return run(all_of())


BROKEN = {
    "a channel that is gone": (None, Permanent, 'channel "x" not found'),
    "a kind that is not built": (Channel(kind="pigeon"), Permanent, "not active yet"),
    "settings that are wrong": (Channel(kind="webhook"), Permanent, "invalid settings"),
}


@pytest.mark.parametrize("channel,error,words", BROKEN.values(), ids=BROKEN)
def test_what_can_never_be_sent_falls_to_the_next_contact(channel: Channel | None, error: type, words: str) -> None:
    (one,) = sent(job("x", channel))
    assert isinstance(one.answer, error)
    assert words in str(one.answer)


def test_the_inbox_has_it_when_it_is_written() -> None:
    (one,) = sent(job("inbox", Channel(kind="inbox")))
    assert one.answer == Receipt(delivered=True)


def test_a_slow_receiver_holds_up_no_other(there: Receiver) -> None:
    there.delay["/slow"] = 1.0
    jobs = [job(name, Channel.model_validate({"kind": "webhook", "url": f"{there.url}/{name}"})) for name in ("slow", "fast")]

    async def first() -> str:
        async for batch in send.send_all(jobs, still_wanted):
            return batch[0].claim.draft.channel
        return ""

    began = time.monotonic()
    assert asyncio.run(asyncio.wait_for(first(), 5)) == "fast"
    assert time.monotonic() - began < 0.9
