"""An SMTP server: greeting, TLS, login and recipient; no email is sent.

Metrics: `seconds` for the entire session, `banner_seconds` until the greeting, `encrypted` (0 or 1), and with TLS
`certificate_days` until the first certificate in the server's chain expires.

Critical: no response, no greeting, no STARTTLS although it is required, an untrusted certificate, or a permanent rejection of
the recipient (5xx). Warning: a temporary rejection of the recipient (4xx, e.g. greylisting). Unknown: the login is rejected.
The message quotes the reply.
"""

import time
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Literal, Self

from pydantic import model_validator

from app.checks.probe import Field, Reading, Run, SecretStr, Spec, Status, Unknown, Unreachable, measured, probe, unanswered
from app.failure import Failed
from app.net import tls
from app.net.smtp import SMTPS, Refused, Session, from_the_first_byte, session
from app.net.url import Host

DAY = 86_400
ADDRESS = r"^[\x21-\x3b\x3d\x3f-\x7e]+@[\x21-\x3b\x3d\x3f-\x7e]+$"


class Target(Spec):
    """Which server, how it is secured, and how far the conversation goes."""

    host: Host = Field(description="name or address of the mail server", examples=["mail.example.org"])
    port: int = Field(
        default=25, ge=1, le=65535, description="TCP port: 25 between servers, 587 or 465 for submission", examples=[587]
    )
    tls: Literal["auto", "starttls", "implicit", "off"] = Field(
        default="auto",
        description=f"auto: implicit TLS on port {SMTPS}, otherwise STARTTLS if offered; starttls: STARTTLS is required;"
        " implicit: TLS from the first byte",
        examples=["starttls"],
    )
    verify_tls: bool = Field(
        default=True, description="verify the server's certificate; an untrusted one counts as no response"
    )
    server_name: Host | None = Field(default=None, description="name the certificate must be for; unset = host")
    ca: str | None = Field(default=None, description="path of a CA bundle to use instead of the system's")
    hello: Host | None = Field(default=None, description="name to send with EHLO; unset = our address")
    expect: str | None = Field(default=None, min_length=1, description="text the greeting must contain, e.g. `mx1.example.org`")
    username: str | None = Field(default=None, description="user name to log in with; unset = no login")
    password: SecretStr | None = Field(default=None, description="its password; only sent encrypted, unless `tls: off`")
    recipient: str | None = Field(
        default=None, pattern=ADDRESS, description="address to test with RCPT TO; no email is sent to it"
    )
    sender: str | None = Field(
        default=None, pattern=ADDRESS, description="address to send with MAIL FROM; unset = `<>`, as in bounces"
    )

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("set both username and password")
        return self


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    context = _context(spec)
    implicit = from_the_first_byte(spec.tls, spec.port)
    limit = run.timeout * 0.95  # to report what hung before the runner's time-out
    try:
        async with session(
            spec.host, spec.port, timeout=limit, tls=context if implicit else None, server_name=spec.server_name
        ) as server:
            status, problem = await _converse(spec, server, context)
            metrics = _metrics(server) | {"seconds": time.perf_counter() - started}
    except Failed as failed:
        raise unanswered(failed) from None
    return Reading(status, problem or f"answered in {measured(metrics['seconds'])}: {server.greeting}", metrics)


def _context(spec: Target) -> SSLContext:
    try:
        return tls.context(verify=spec.verify_tls, ca=spec.ca)
    except OSError as error:
        raise Unknown(f"{spec.ca} cannot be read as a CA bundle: {error.strerror}") from None


async def _converse(spec: Target, server: Session, context: SSLContext) -> tuple[Status, str]:
    """The conversation, as far as it is wanted, and what was wrong with it. Raises Failed."""
    await server.greet(spec.hello)
    if spec.expect is not None and spec.expect not in " ".join(server.greeting.lines):
        raise Unreachable(f"its greeting {str(server.greeting)!r} does not contain {spec.expect!r}")
    if not server.chain and spec.tls in ("auto", "starttls"):
        await _encrypt(spec, server, context)
    if spec.username is not None and spec.password is not None:
        await _log_in(server, spec.username, spec.password.get_secret_value())
    if spec.recipient is None:
        return Status.OK, ""
    return await _offer_mail(server, spec.sender or "", spec.recipient)


async def _encrypt(spec: Target, server: Session, context: SSLContext) -> None:
    if "STARTTLS" in server.offers:
        await server.start_tls(context, spec.server_name or spec.host)
        await server.hello(spec.hello)
    elif spec.tls == "starttls":
        raise Unreachable("it does not offer STARTTLS: mail and passwords would be sent in clear text")
    elif spec.username is not None:  # a man in the middle may have removed it from the offers
        raise Unreachable("it does not offer STARTTLS, so the password was not sent")


async def _log_in(server: Session, username: str, password: str) -> None:
    try:
        await server.login(username, password)
    except Refused as refused:
        if refused.code < 500:  # its user database is away, not our password wrong (RFC 4954 6)
            raise
        raise Unknown(f"login of {username} rejected: {refused}") from None


async def _offer_mail(server: Session, sender: str, recipient: str) -> tuple[Status, str]:
    """Would it take a mail? The envelope is taken back before any content."""
    try:
        await server.ask(f"MAIL FROM:<{sender}>", f"MAIL FROM:<{sender}>", 250)
        await server.ask(f"RCPT TO:<{recipient}>", f"RCPT TO:<{recipient}>", 250, 251, 252)
        await server.ask("RSET", "RSET", 250)
    except Refused as refused:
        later = 421 < refused.code < 500  # 421: it closes
        return Status.WARNING if later else Status.CRITICAL, f"{refused}{' (for now)' if later else ''}"
    return Status.OK, ""


def _metrics(server: Session) -> dict[str, float]:
    shown = server.chain
    found = {"banner_seconds": server.greeting_seconds, "encrypted": float(bool(shown))}
    if shown:
        try:
            ends = tls.first_to_expire(tls.path(shown)).not_valid_after_utc
        except ValueError:
            raise Unreachable("its certificate cannot be parsed") from None
        found["certificate_days"] = (ends - datetime.now(UTC)).total_seconds() / DAY
    return found
