"""The email channel against mail servers that encrypt, refuse, hang and lie: what each means, and how soon it is known."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError

from app.concurrency.deadline import awake
from app.errors import DeliveryError, Permanent, Stale, Transient
from app.net import submission, tls
from app.notify.channels import email
from app.notify.channels.email import Spec
from app.notify.model import Receipt
from tests.net.serve import Handler, certificate, context, drips, hangs, says, serve, slams
from tests.notify.test_webhook import message

Options = dict[str, Any]  # of a channel, as the files write them
LOGIN: Options = {"username": "ada", "password": "s3cret-horse"}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("smtp"))


class Post:
    """Takes every mail; answers recipients as it is told."""

    def __init__(self, **answers: str) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.answers = answers

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        answer = self.answers.get(address.partition("@")[0], "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append((list(envelope.rcpt_tos), envelope.original_content or b""))
        return "250 OK queued as 7"


def right(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
    fits = (data.login, data.password) == (b"ada", b"s3cret-horse")
    return AuthResult(success=fits, handled=False)


async def sent(port: int, timeout: float, to: str | None, spec: Options) -> Receipt | DeliveryError:
    known = {"host": "127.0.0.1", "port": port, "sender": "tocsin@ops.example", "verify_tls": False}
    try:
        return await email.send(Spec(**known | spec), message(to=to, text="one\n.two\n..\n" + "x" * 3000), timeout)
    except DeliveryError as error:
        return error


def real(
    post: Post, *, implicit: Path | None = None, starttls: Path | None = None, to: str | None = "ada@example.com", **spec: Any
) -> Receipt | DeliveryError:
    """What becomes of one mail to an aiosmtpd that speaks TLS from the first byte, after STARTTLS, or not at all."""
    utf8, without, listen = spec.pop("smtputf8", True), spec.pop("without", ()), spec.pop("listen", ("127.0.0.1", 0))

    async def story() -> Receipt | DeliveryError:
        def made() -> SMTP:
            secured = context(starttls) if starttls else None
            return SMTP(
                post, hostname="mail.test", tls_context=secured, authenticator=right, enable_SMTPUTF8=utf8,
                auth_require_tls=bool(starttls), auth_exclude_mechanism=without,
            )  # fmt: skip

        server = await asyncio.get_running_loop().create_server(made, *listen, ssl=context(implicit) if implicit else None)
        try:
            return await sent(server.sockets[0].getsockname()[1], 5, to, spec)
        finally:
            server.close()

    return asyncio.run(story())


def talk(
    handler: Callable[..., Awaitable[None]], timeout: float = 0.6, secure: Path | None = None, **spec: Any
) -> DeliveryError:
    """What is said of a server of our own, and that it was said in time."""

    async def story() -> Receipt | DeliveryError:
        async with serve(handler, context(secure) if secure else None) as port:
            began = time.monotonic()
            answer = await sent(port, timeout, "ada@example.com", spec)
            assert time.monotonic() - began < timeout + 5
            return answer

    answer = asyncio.run(story())
    assert isinstance(answer, DeliveryError)
    return answer


# --- how the connection is secured


def test_what_a_message_holds_arrives_as_it_is(pem: Path) -> None:
    post = Post()
    assert isinstance(real(post), Receipt)
    ((_, raw),) = post.mails
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\r\n.two\r\n..\r\n" in raw
    raw.decode("ascii")


SECURED = {
    "implicit": ("implicit", {"tls": "implicit"}),
    "STARTTLS where it is offered": ("starttls", {"tls": "auto"}),
    "STARTTLS where it must be": ("starttls", {"tls": "starttls"}),
    "nothing is offered": ("", {"tls": "auto"}),
    "STARTTLS is offered and not wanted": ("starttls", {"tls": "off"}),
}


def secured(how: str, pem: Path) -> Options:
    """The words for `real` of a server that secures a connection at once, after STARTTLS, or with "" never."""
    return {how: pem} if how else {}


@pytest.mark.parametrize("there,spec", SECURED.values(), ids=SECURED)
def test_a_server_is_spoken_to_as_it_wants(pem: Path, there: str, spec: Options) -> None:
    post = Post()
    answer = real(post, **secured(there, pem), **spec)
    assert isinstance(answer, Receipt), answer
    assert "queued as 7" in (answer.provider_id or "")
    assert [to for to, _ in post.mails] == [["ada@example.com"]]


def test_auto_speaks_tls_from_the_first_byte_on_465(pem: Path) -> None:
    host = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}.1"  # an address of its own: others test as well
    try:
        socket.create_server((host, 465)).close()
    except OSError as error:
        pytest.skip(f"port 465 is not to be had here: {error}")
    post = Post()
    answer = real(post, listen=(host, 465), implicit=pem, host=host)
    assert isinstance(answer, Receipt), answer
    assert len(post.mails) == 1


@pytest.mark.parametrize(
    "mode,port,answer",
    [
        ("auto", 465, True),
        ("auto", 587, False),
        ("auto", 25, False),
        ("implicit", 587, True),
        ("implicit", 465, True),
        ("starttls", 465, False),
        ("off", 465, False),
    ],
)
def test_auto_is_tls_from_the_first_byte_on_465_only(mode: str, port: int, answer: bool) -> None:
    made = submission.Server("x", port, mode, tls.context(verify=False), None, None, None)
    assert made.implicit is answer


WRONG = {
    "TLS from the first byte to a plain server": (says(b"220 x\r\n"), {"tls": "implicit"}, "set `tls: starttls`"),
    "plain words to a server that waits for TLS": (hangs, {"tls": "starttls"}, "set `tls: implicit`"),
    "auto to such a server": (hangs, {"tls": "auto"}, "set `tls: implicit`"),
}


@pytest.mark.parametrize("handler,spec,hint", WRONG.values(), ids=WRONG)
def test_settings_that_do_not_fit_the_port_are_said_with_a_hint(handler: Handler, spec: Options, hint: str) -> None:
    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ready\r\n")
        await writer.drain()
        await reader.read()

    answer = talk(greets if spec["tls"] == "implicit" else handler, **spec)
    assert isinstance(answer, Transient)
    assert hint in str(answer)


def test_starttls_that_is_not_offered_is_refused_for_good() -> None:
    post = Post()
    answer = real(post, tls="starttls")
    assert isinstance(answer, Permanent)
    assert "does not offer STARTTLS" in str(answer)
    assert post.mails == []


@pytest.mark.parametrize("how", ["implicit", "starttls"])
def test_a_certificate_that_is_not_believed_is_said_in_so_many_words(pem: Path, how: str) -> None:
    post = Post()
    answer = real(post, tls=how, verify_tls=True, **secured(how, pem))
    assert isinstance(answer, Transient)
    assert "certificate rejected: self-signed certificate" in str(answer)
    assert post.mails == []


# --- logging in


@pytest.mark.parametrize("without", [(), ("PLAIN",)], ids=["PLAIN", "LOGIN"])
def test_a_login_is_made(pem: Path, without: tuple[str, ...]) -> None:
    post = Post()
    assert isinstance(real(post, starttls=pem, without=without, **LOGIN), Receipt)
    assert len(post.mails) == 1


def test_a_wrong_password_is_final_and_shown_nowhere(pem: Path) -> None:
    answer = real(Post(), starttls=pem, username="ada", password="wr0ng-donkey")
    assert isinstance(answer, Permanent)
    assert "AUTH: 535" in str(answer)
    assert "donkey" not in str(answer)


def test_a_server_that_takes_no_login_is_final(pem: Path) -> None:
    answer = real(Post(), starttls=pem, without=("PLAIN", "LOGIN"), **LOGIN)
    assert isinstance(answer, Permanent)
    assert "offers" in str(answer)


def network_address() -> str:
    """This machine's own address as others see it, which is no loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(("192.0.2.1", 9))  # of the documentation (RFC 5737); a datagram socket sends nothing by this
        except OSError:
            pytest.skip("this machine is in no network")
        return str(line.getsockname()[0])


@pytest.mark.parametrize("mode,nearby,told", [("auto", True, True), ("off", False, True), ("auto", False, False)])
def test_a_password_goes_in_clear_to_this_machine_or_when_that_is_wanted(mode: str, nearby: bool, told: bool) -> None:
    post, host = Post(), "127.0.0.1" if nearby else network_address()
    answer = real(post, listen=(host, 0), host=host, tls=mode, **LOGIN)
    assert isinstance(answer, Receipt if told else Permanent), answer
    if not told:
        assert "the password was not sent" in str(answer)


@pytest.mark.parametrize("half", [{"username": "ada"}, {"password": "x"}])
def test_half_a_login_is_refused_by_the_configuration(half: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="set username and password together"):
        Spec(host="x", sender="a@b.example", **half)


async def script(streams: Streams, *lines: tuple[str, str]) -> None:
    """Greets, then answers each command that begins so; what is not foreseen hangs."""
    reader, writer = streams
    writer.write(b"220 mail.test ESMTP\r\n")
    answers = dict(lines)
    while line := await reader.readline():
        word = (line.decode(errors="replace").split() or [""])[0].upper()
        if word not in answers:
            await asyncio.sleep(60)
        writer.write(answers[word].encode() + b"\r\n")
        await writer.drain()
        if word == "DATA":
            while (await reader.readline()) != b".\r\n":
                pass
            if "." not in answers:
                await asyncio.sleep(60)
            writer.write(answers["."].encode() + b"\r\n")


GOOD = (
    ("EHLO", "250-mail.test\r\n250-STARTTLS\r\n250 AUTH CRAM-MD5"), ("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go"),
    (".", "250 taken"), ("QUIT", "221 bye"),
)  # fmt: skip


def test_cram_md5_proves_the_password_without_sending_it() -> None:
    """With the example of RFC 2195."""
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250-x\r\n250 AUTH CRAM-MD5\r\n")
        seen.append(await reader.readline())
        writer.write(b"334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n")
        seen.append(await reader.readline())
        writer.write(b"535 enough\r\n")
        await writer.drain()
        await reader.read()

    talk(handler, username="tim", password="tanstaaftanstaaf")
    assert seen == [b"AUTH CRAM-MD5\r\n", b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"]


# --- what hangs


@pytest.mark.parametrize("phase", ["EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_server_that_hangs_anywhere_is_given_up_in_time_and_it_is_said_where(phase: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script((reader, writer), *(one for one in GOOD if one[0] != phase))

    answer = talk(handler, tls="off")
    assert isinstance(answer, Transient)
    assert f"no response to {'the message' if phase == '.' else phase}" in str(answer)


HANGS = {
    "no greeting": (hangs, {}, "no response to our connection"),
    "a greeting that drips": (drips, {}, "no response"),
    "no response to STARTTLS": (GOOD[:1], {"tls": "starttls"}, "no response to STARTTLS"),
    "no handshake after STARTTLS": ((*GOOD[:1], ("STARTTLS", "220 go")), {}, "no response to the TLS handshake"),
    "no handshake at once": (hangs, {"tls": "implicit"}, "TLS handshake did not finish"),
    "no response to the login": (
        (("EHLO", "250-x\r\n250 AUTH PLAIN"), *GOOD[1:]), {"tls": "off", **LOGIN}, "no response to AUTH",
    ),
    "no response to the good-bye": ((*GOOD[:4],), {"tls": "off"}, "no response to the message"),
}  # fmt: skip


@pytest.mark.parametrize("lines,spec,words", HANGS.values(), ids=HANGS)
def test_the_other_places_to_hang_at(lines: Handler | tuple[tuple[str, str], ...], spec: Options, words: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (lines(reader, writer) if callable(lines) else script((reader, writer), *lines))

    answer = talk(handler, **spec)
    assert isinstance(answer, Transient)
    assert words in str(answer)


def test_a_server_that_took_the_mail_and_says_no_good_bye_has_taken_it() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script((reader, writer), *GOOD[:5])

    async def story() -> Receipt | DeliveryError:
        async with serve(handler) as port:
            return await sent(port, 2, "ada@example.com", {"tls": "off"})

    began = time.monotonic()
    assert isinstance(asyncio.run(story()), Receipt)
    assert time.monotonic() - began < 1.9


@pytest.mark.parametrize(
    "handler", [slams, says(b"HTTP/1.1 400 Bad Request\r\n\r\n")], ids=["slams the door", "is no mail server"]
)
def test_what_is_no_mail_server_is_tried_again(handler: Handler) -> None:
    assert isinstance(talk(handler, timeout=2), Transient)


def test_a_mail_that_is_no_longer_wanted_when_the_server_is_ready_for_it_is_not_sent() -> None:
    said: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        while line := await reader.readline():
            said.append(line.decode().split()[0])
            writer.write({"DATA": b"354 go\r\n"}.get(said[-1], b"250 ok\r\n"))

    async def story(left: float) -> Receipt:
        async with serve(handler) as port:
            spec = Spec(host="127.0.0.1", port=port, sender="tocsin@ops.example", tls="off")
            return await email.send(spec, message(to="ada@example.com", not_after=awake() + left), 5)

    with pytest.raises(Stale):
        asyncio.run(story(-0.01))
    assert said == ["EHLO", "MAIL", "RCPT", "DATA"]


# --- whom it refuses


REFUSED = {
    "421 at the door": ("421 too many connections", Transient),
    "450 busy": ("450 4.2.1 mailbox busy", Transient),
    "451 greylisted": ("451 4.7.1 greylisted", Transient),
    "452 no room": ("452 4.2.2 full", Transient),
    "550 nobody": ("550 5.1.1 no such user", Permanent),
    "552 full for good": ("552 5.2.2 full", Permanent),
    "554 refused": ("554 5.7.1 spam", Permanent),
}


@pytest.mark.parametrize("at", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("said,meaning", REFUSED.values(), ids=REFUSED)
def test_4xx_is_for_now_and_5xx_for_good_wherever_it_is_said(at: str, said: str, meaning: type) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if at == "BANNER":
            writer.write(f"{said}\r\n".encode())
            await reader.read()
        else:
            await script((reader, writer), *((word, said if word == at else answer) for word, answer in GOOD))

    answer = talk(handler, timeout=2, tls="off")
    assert type(answer) is meaning
    assert said in str(answer)


def test_one_of_several_recipients_that_is_taken_is_enough_and_the_refused_are_named() -> None:
    post = Post(bo="550 5.1.1 no such user", cy="451 later")
    answer = real_channel(post, "ada@x.example, bo@x.example, cy@x.example")
    assert isinstance(answer, Receipt)
    assert [to for to, _ in post.mails] == [["ada@x.example"]]
    assert "bo@x.example>: 550" in (answer.provider_id or "")
    assert "cy@x.example>: 451" in (answer.provider_id or "")


@pytest.mark.parametrize(
    "bo,cy,meaning", [("550 no", "550 no", Permanent), ("550 no", "451 later", Transient), ("451 later", "550 no", Transient)]
)
def test_when_all_are_refused_it_is_final_only_if_for_all(bo: str, cy: str, meaning: type) -> None:
    post = Post(bo=bo, cy=cy)
    assert type(real_channel(post, "bo@x.example,cy@x.example")) is meaning
    assert post.mails == []


def real_channel(post: Post, to: str) -> Receipt | DeliveryError:
    """One mail to the channel's own recipients."""

    async def story() -> Receipt | DeliveryError:
        server = await asyncio.get_running_loop().create_server(lambda: SMTP(post, hostname="mail.test"), "127.0.0.1", 0)
        try:
            return await sent(server.sockets[0].getsockname()[1], 5, None, {"to": to})
        finally:
            server.close()

    return asyncio.run(story())


# --- addresses beyond ASCII


def test_a_domain_beyond_ascii_travels_as_punycode_also_without_smtputf8() -> None:
    post = Post()
    answer = real(post, smtputf8=False, to="ada@bücher.example", sender="Wächter <tocsin@straße.example>")
    assert isinstance(answer, Receipt), answer
    ((to, raw),) = post.mails
    assert to == ["ada@xn--bcher-kva.example"]
    assert b"tocsin@xn--strae-oqa.example" in raw  # UTS 46 as browsers do, not strasse
    raw.decode("ascii")


def test_a_name_beyond_ascii_needs_smtputf8() -> None:
    post = Post()
    answer = real(post, smtputf8=False, to="jörg@example.com")
    assert isinstance(answer, Permanent)
    assert "does not offer SMTPUTF8, which the address jörg@example.com needs" in str(answer)
    assert post.mails == []
    assert isinstance(real(post, to="jörg@bücher.example"), Receipt)
    assert post.mails[0][0] == ["jörg@xn--bcher-kva.example"]
