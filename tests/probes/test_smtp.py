"""health.smtp against aiosmtpd with every kind of TLS and login, and servers that refuse, hang and lie."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from tests.net.serve import Handler, certificate, context, hangs, serve, slams
from tests.probes.run import Options, measured
from tests.probes.test_tls_chain import chained

LOGIN: Options = {"username": "ada", "password": "s3cret-horse"}


class Post:
    """Knows one user and one recipient; notes what it was asked."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.said.append(f"from {address}")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        self.said.append(f"to {address}")
        return {"ops@here": "250 OK", "new@here": "451 4.7.1 Greylisted, try again"}.get(address, "550 5.1.1 No such user here")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.said.append("data")
        return "250 OK"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.said.append("quit")
        return "221 Bye"


def right(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    fits = (data.login, data.password) == (b"ada", b"s3cret-horse")
    return AuthResult(success=fits, handled=False)


def real(*, implicit: Path | None = None, starttls: Path | None = None, post: Post | None = None, **with_: Any) -> Reading:
    """What the probe finds about an aiosmtpd that speaks TLS from the first byte, after STARTTLS, or not at all."""

    async def story() -> Reading:
        def made() -> SMTP:
            secured = context(starttls) if starttls else None
            return SMTP(
                post or Post(), hostname="mail.test", ident="ESMTP Tocsin's test", tls_context=secured,
                authenticator=right, auth_require_tls=bool(starttls), auth_exclude_mechanism=with_.get("without", ()),
            )  # fmt: skip

        server = await asyncio.get_running_loop().create_server(
            made, "127.0.0.1", 0, ssl=context(implicit) if implicit else None
        )
        try:
            given = {key: value for key, value in with_.items() if key != "without"}
            return await measured("health.smtp", host="127.0.0.1", port=server.sockets[0].getsockname()[1], **given)
        finally:
            server.close()
            await server.wait_closed()

    return asyncio.run(story())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("smtp"))


def test_a_server_that_greets_is_ok_and_told_by_its_words() -> None:
    post = Post()
    reading = real(post=post)
    assert reading.status is Status.OK, reading.message
    assert "220 mail.test ESMTP Tocsin's test" in reading.message
    assert 0 < reading.metrics["banner_seconds"] <= reading.metrics["seconds"] < 5
    assert reading.metrics["encrypted"] == 0
    assert "certificate_days" not in reading.metrics
    assert post.said == ["quit"]


def test_starttls_is_taken_where_it_is_offered_and_the_certificate_is_timed(pem: Path) -> None:
    reading = real(starttls=pem, ca=str(pem))
    assert reading.status is Status.OK, reading.message
    assert reading.metrics["encrypted"] == 1
    assert 89 < reading.metrics["certificate_days"] < 91


def test_an_intermediate_that_ends_first_is_timed(tmp_path: Path) -> None:
    root, own = chained(tmp_path, middle=5)
    assert 4 < real(starttls=own, ca=str(root)).metrics["certificate_days"] < 6


def test_tls_from_the_first_byte(pem: Path) -> None:
    reading = real(implicit=pem, tls="implicit", ca=str(pem), **LOGIN)
    assert reading.status is Status.OK, reading.message
    assert 89 < reading.metrics["certificate_days"] < 91
    assert plugins.probe_module("health.smtp").SMTPS == 465


@pytest.mark.parametrize(
    "with_, status, told",
    [
        ({}, "critical", "certificate rejected"),
        ({"verify_tls": False}, "ok", "answered in"),
        ({"ca": "PEM", "server_name": "mx.example"}, "critical", "certificate rejected"),
        ({"ca": "/no/such"}, "unknown", "cannot be read"),
        ({"tls": "off"}, "ok", "answered in"),
        ({"tls": "implicit"}, "critical", "no TLS"),
    ],
    ids=[
        "nobody signed it",
        "it is not to be verified",
        "for another name",
        "no bundle",
        "TLS left alone",
        "clear text for TLS",
    ],
)
def test_the_certificate_is_judged_after_starttls(pem: Path, with_: Options, status: str, told: str) -> None:
    filled: Options = {key: str(pem) if value == "PEM" else value for key, value in with_.items()}
    reading = real(starttls=pem, **filled)
    assert reading.status == status, reading.message
    assert told in reading.message


def test_no_starttls_where_it_is_wanted_is_critical_and_no_password_travels_in_clear() -> None:
    reading = real(tls="starttls")
    assert (reading.status, "does not offer STARTTLS" in reading.message) == (Status.CRITICAL, True)
    reading = real(**LOGIN)
    assert (reading.status, "the password was not sent" in reading.message) == (Status.CRITICAL, True)
    assert real(tls="off", **LOGIN).status is Status.OK


@pytest.mark.parametrize("without", [[], ["PLAIN"]], ids=["by PLAIN", "by LOGIN"])
def test_a_login_is_tried_and_a_refused_one_is_unknown(pem: Path, without: list[str]) -> None:
    assert real(starttls=pem, ca=str(pem), without=without, **LOGIN).status is Status.OK
    reading = real(starttls=pem, ca=str(pem), without=without, username="ada", password="wr0ng-horse")
    assert reading.status is Status.UNKNOWN
    assert "login of ada rejected: AUTH: 535" in reading.message
    assert "wr0ng" not in reading.message


def test_no_way_to_log_in_is_critical(pem: Path) -> None:
    reading = real(starttls=pem, ca=str(pem), without=["PLAIN", "LOGIN"], **LOGIN)
    assert (reading.status, "it offers" in reading.message) == (Status.CRITICAL, True)


@pytest.mark.parametrize(
    "recipient, status, told",
    [
        ("ops@here", "ok", "220"),
        ("new@here", "warning", "451 4.7.1 Grey"),
        ("no@here", "critical", "550 5.1.1 No"),
    ],
)
def test_a_recipient_is_asked_for_and_nothing_is_sent(recipient: str, status: str, told: str) -> None:
    post = Post()
    reading = real(post=post, recipient=recipient)
    assert reading.status == status, reading.message
    assert told in reading.message
    assert post.said == ["from <>", f"to {recipient}", "quit"]


def test_what_it_greets_with_is_compared() -> None:
    assert real(expect="mail.test ESMTP").status is Status.OK
    reading = real(expect="mx9")
    assert (reading.status, "does not contain 'mx9'" in reading.message) == (Status.CRITICAL, True)


def says(*replies: bytes) -> Any:
    """Greets with the first, answers each command with the next, and then nothing any more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            writer.write(reply)
            await reader.readline()
        await hangs(reader, writer)

    return talk


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-and so on\r\n" * 1000)
        await writer.drain()


async def one_long_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220 " + b"x" * 65536)
        await writer.drain()


EHLO = b"250-mx.test\r\n250-SIZE 100\r\n250-STARTTLS\r\n250 AUTH=PLAIN\r\n"
MX = b"220 mx\r\n"
CLEAR = {"tls": "off"}
LOG_IN = CLEAR | LOGIN

LIES = {  # handler, settings, status, what is told
    "a greeting of many lines": (says(b"220-mx\r\n220-says\r\n220 hi\r\n", EHLO, b"221 bye\r\n"), CLEAR, "ok", "says hi"),
    "QUIT is not answered": (says(MX, EHLO), CLEAR, "ok", "220 mx"),
    "an old one knows only HELO": (says(MX, b"502 5.5.1 what?\r\n", b"250 mx\r\n"), {}, "ok", "220 mx"),
    "it closes at once": (slams, {}, "critical", "it closed the connection on our connection"),
    "it says nothing": (hangs, {}, "critical", "no response to our connection within 0.475 s"),
    "it hangs after the greeting": (says(MX), {}, "critical", "no response to EHLO"),
    "it hangs at STARTTLS": (says(MX, EHLO), {}, "critical", "no response to STARTTLS"),
    "it hangs in the handshake": (says(MX, EHLO, b"220 go\r\n"), {}, "critical", "no response to the TLS handshake"),
    "junk for a handshake": (says(MX, EHLO, b"220 go\r\n", b"junk" * 9), {}, "critical", "no TLS"),
    "STARTTLS refused": (says(MX, EHLO, b"454 no\r\n"), {}, "critical", "STARTTLS: 454 no"),
    "an answer injected before TLS": (says(MX, EHLO, b"220 go\r\n250 injected\r\n"), {}, "critical", "man in the middle"),
    "it will not talk to us": (says(b"554 5.7.1 You are listed\r\n"), {}, "critical", "554 5.7.1 You are listed"),
    "it is too busy": (says(MX, b"421 too busy\r\n"), {}, "critical", "EHLO: 421 too busy"),
    "its users are away": (says(MX, EHLO, b"454 away\r\n"), LOG_IN, "critical", "454 away"),
    "it tells our password": (
        says(MX, EHLO, b"535 s3cret-horse? AGFkYQBzM2NyZXQtaG9yc2U=\r\n"),
        LOG_IN,
        "unknown",
        "535 ***? ***",
    ),
    "another protocol": (says(b"SSH-2.0-OpenSSH\r\n"), {}, "critical", "with 'SSH-2"),
    "another code on the way": (says(b"220-mx\r\n250 mx\r\n"), {}, "critical", "does not speak SMTP"),
    "a greeting without end": (never_ends, {}, "critical", "does not speak SMTP"),
    "a line without end": (one_long_line, {"timeout": 2}, "critical", "never ends"),
}


@pytest.mark.parametrize("handler, with_, status, told", LIES.values(), ids=LIES)
def test_a_server_that_refuses_hangs_or_lies(handler: Handler, with_: Options, status: str, told: str) -> None:
    async def story() -> Reading:
        async with serve(handler) as port:
            return await measured("health.smtp", host="127.0.0.1", port=port, **{"timeout": 0.5, **with_})

    reading = asyncio.run(story())
    assert reading.status == status, reading.message
    assert told in reading.message
    assert "s3cret" not in reading.message


@pytest.mark.parametrize(
    "with_",
    [{"host": "169.254.169.254"}, {"username": "ada"}, {"recipient": "a@b>\r\nDATA"}, {"sender": "x"}, {"hello": "a\r\nb"}],
    ids=str,
)
def test_wrong_settings_are_refused(with_: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("health.smtp").Target(**{"host": "mx.test", **with_})


def test_nobody_there_is_critical() -> None:
    reading = asyncio.run(measured("health.smtp", host="127.0.0.1", port=1))
    assert (reading.status, reading.message) == (Status.CRITICAL, "127.0.0.1:1 refused the connection")
