"""Sends email over SMTP, as plain text and HTML, with one thread per incident.

A repeated email has the same Message-ID; all emails about an incident refer to one id, so that mail clients show them as one
thread. 4xx responses and connection failures are retried, 5xx are permanent. Non-ASCII domains are sent as `xn--`; a non-ASCII
name before the @ needs a server that offers SMTPUTF8.
"""

import re
import socket
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.header import Header as Encoder
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from functools import partial
from hashlib import sha256
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from app.errors import Permanent, Stale, Transient
from app.failure import Failed, Kind, NotSent
from app.net import tls
from app.net.mailbox import Mailbox, mailbox, named, several
from app.net.smtp import NotOffered, Refused
from app.net.submission import Mail, Server, submit
from app.net.url import Host
from app.notify.flight import in_time
from app.notify.model import Message, Receipt
from app.visible import short, visible

LONGEST_WORD = 900  # octets; a line has at most 998, and is folded between words
LONGEST_SUBJECT = 200  # characters; the whole title stands in the text
OUTLOOKS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
SHARE = 0.95  # of the deadline: what hung is said before the sender gives up


class Header(str):
    """A header's text that is encoded and folded here.

    Python's own folding leaves alone what looks like an encoded word, so that a summary could write one, which the reader's
    program decodes; and it drops spaces between words that it encodes. Source: RFC 2047.
    """

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str, text: str) -> "Header":
        made = super().__new__(cls, text)
        made.name = name
        return made

    def fold(self, *, policy: EmailPolicy) -> str:
        plain = self.isascii() and "=?" not in self and all(len(word) < LONGEST_WORD for word in self.split())
        charset = "us-ascii" if plain else "utf-8"
        return f"{self.name}: {Encoder(str(self), charset, 76, self.name).encode(linesep=policy.linesep)}{policy.linesep}"


class Spec(BaseModel):
    """The mail server; `to` makes the channel itself a recipient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Host = Field(description="SMTP server", examples=["smtp.example.org"])
    port: int = Field(default=587, ge=1, le=65535, description="port of the server")
    sender: str = Field(
        description="the From address: `tocsin@example.org` or `Tocsin <tocsin@example.org>`", examples=["tocsin@example.org"]
    )
    to: str | None = Field(default=None, description="recipients if the channel itself is paged, separated by commas")
    username: str | None = Field(default=None, description="login")
    password: SecretStr | None = Field(
        default=None, description="password; sent only encrypted, unless `tls: off` is set or the server is on this machine"
    )
    tls: Literal["auto", "starttls", "implicit", "off"] = Field(
        default="auto",
        description="auto: implicit TLS on port 465, otherwise STARTTLS if offered; starttls: STARTTLS is required;"
        " implicit: TLS from the first byte",
    )
    verify_tls: bool = Field(default=True, description="verify the server's certificate")
    hello: Host | None = Field(default=None, description="name to send with EHLO; unset = this machine's full name or address")

    @field_validator("sender")
    @classmethod
    def _one(cls, value: str) -> str:
        named(value)
        return value

    @field_validator("to")
    @classmethod
    def _some(cls, value: str | None) -> str | None:
        if value is not None:
            several(value)
        return value

    @model_validator(mode="after")
    def _is_a_whole_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("set username and password together")
        return self


def address(text: str) -> None:
    """Raises ValueError, which says why, when a contact's `to` is not one mail address."""
    mailbox(text)


async def send(spec: Spec, message: Message, timeout: float) -> Receipt:
    """Hand one mail to the server, within `timeout` seconds for everything. Accepted is what it takes for one recipient."""
    try:
        to = several(spec.to) if message.to is None and spec.to is not None else (mailbox(message.to or ""),)
    except ValueError as error:
        raise Permanent(str(error)) from None
    sender = named(spec.sender)
    mail = _mail(sender, to, message, datetime.now(UTC))
    letter = Mail(sender.address, [one.address for one in to], mail.as_bytes(), partial(in_time, message))
    try:
        taken = await submit(_server(spec), letter, timeout * SHARE)
    except NotSent as error:
        raise Stale(str(error)) from None
    except Failed as error:
        final = error.code >= 500 if isinstance(error, Refused) else isinstance(error, NotOffered) or error.kind is Kind.BLOCKED
        raise (Permanent if final else Transient)(visible(f"mail server {spec.host}: {error}")) from None
    refused = "".join(f"; {one}" for one in taken.refused)
    return Receipt(provider_id=visible(f"{taken.reply}{refused}")[:500])


def build(sender: str, to: str, message: Message, at: datetime | None = None) -> EmailMessage:
    """The mail itself; `at` is when it is sent, now unless given. Raises ValueError when an address is none."""
    return _mail(named(sender), several(to), message, at or datetime.now(UTC))


def _mail(sender: Mailbox, to: tuple[Mailbox, ...], message: Message, at: datetime) -> EmailMessage:
    wide = any(one.international for one in (sender, *to))
    mail = EmailMessage(policy=SMTP.clone(utf8=wide, cte_type="7bit"))
    mail["Date"] = format_datetime(at)
    mail["From"], mail["To"] = sender.header, [one.header for one in to]
    subject = short(visible(message.title), LONGEST_SUBJECT)
    mail["Subject"] = Header("Subject", subject)
    mail["Message-ID"] = f"<{message.uid or sha256(message.key.encode()).hexdigest()[:32]}@{sender.domain}>"
    if message.thread:
        mail["In-Reply-To"] = mail["References"] = f"<{message.thread}@{sender.domain}>"
        mail["Thread-Index"] = _thread_index(message)
        mail["Thread-Topic"] = Header("Thread-Topic", re.sub(r"^(?:\[[^\]]*\] )+", "", subject))
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Tocsin-Key"] = Header("X-Tocsin-Key", visible(message.key))
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return mail


def _thread_index(message: Message) -> str:
    """Outlook's id of a conversation: the incident's start and 16 octets of its thread. Source: MS-OXOMSG 2.2.1.3."""
    incident = message.json.get("incident") or {}
    since = datetime.fromisoformat(incident["opened_at"]) if "opened_at" in incident else datetime(2026, 1, 1, tzinfo=UTC)
    ticks = (since - OUTLOOKS_EPOCH) // timedelta(microseconds=1) * 10
    return b64encode(ticks.to_bytes(8, "big")[:6] + sha256((message.thread or "").encode()).digest()[:16]).decode()


def _server(spec: Spec) -> Server:
    ours = socket.gethostname()
    return Server(
        host=spec.host,
        port=spec.port,
        tls=spec.tls,
        context=tls.context(verify=spec.verify_tls),
        hello=spec.hello or (ours if "." in ours else None),
        username=spec.username,
        password=spec.password.get_secret_value() if spec.password else None,
    )
