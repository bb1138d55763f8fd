"""Sends mail over SMTP, plain text and HTML, one thread per incident.

A repeat carries the same Message-ID; every message of an incident refers to the incident's own id, so that mail programs
show them together. 4xx answers are tried again, 5xx are final.
"""

import asyncio
import re
import socket
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from hashlib import sha256
from typing import Literal

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from app.errors import Permanent, Transient
from app.net.failure import Failed, Kind
from app.net.resolve import resolve
from app.notify.model import Message, Receipt

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Spec(BaseModel):
    """The mail server; `to` makes the channel itself a recipient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="SMTP server")
    port: int = Field(default=587, ge=1, le=65535, description="its port")
    sender: str = Field(description="the From address")
    to: str | None = Field(default=None, description="recipient when the channel itself is paged")
    username: str | None = Field(default=None, description="login")
    password: SecretStr | None = Field(default=None, description="of the login")
    tls: Literal["auto", "starttls", "implicit", "off"] = Field(default="auto", description="auto: STARTTLS where offered")
    verify_tls: bool = Field(default=True, description="is an untrusted certificate refused")

    @field_validator("sender", "to")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not plausible(value):
            raise ValueError(f"{value!r} is not a mail address")
        return value


def plausible(address: str) -> bool:
    """Whether this can be the address of one recipient."""
    try:  # the library's parser takes ASCII only; in an address any other letter may stand where a letter may (RFC 6531)
        return Address(addr_spec=_NOT_ASCII.sub("x", address)).domain != "" and address.isprintable()
    except (ValueError, IndexError, MessageError):
        return False


async def send(spec: Spec, message: Message, timeout: float) -> Receipt:
    """Hand one mail to the server."""
    to = message.to or spec.to
    if to is None or not plausible(to):
        raise Permanent(f"{to!r} is not a mail address")
    mail = build(spec.sender, to, message)
    try:
        async with _client(spec, timeout, await _connected(spec, timeout)) as server:
            _, answer = await server.send_message(mail)
    except aiosmtplib.SMTPRecipientsRefused as error:
        _refuse(error.recipients[0].code, error.recipients[0].message)
    except aiosmtplib.SMTPResponseException as error:
        _refuse(error.code, error.message)
    except Failed as error:
        raise (Permanent if error.kind is Kind.BLOCKED else Transient)(f"the mail server: {error}") from None
    except aiosmtplib.SMTPNotSupported as error:
        raise Permanent(f"the mail server {spec.host} does not take this: {error}") from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Transient(f"the mail server {spec.host}:{spec.port} failed: {error}") from None
    return Receipt(provider_id=answer[:200])


def build(sender: str, to: str, message: Message) -> EmailMessage:
    """The mail itself."""
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP if (sender + to).isascii() else SMTPUTF8)
    mail["From"], mail["To"] = sender, to
    mail["Subject"] = _line(message.title)
    mail["Message-ID"] = f"<{sha256(message.key.encode()).hexdigest()[:32]}@{domain}>"
    if message.thread:
        mail["In-Reply-To"] = mail["References"] = f"<{message.thread}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tocsin-Key"] = _line(message.key)
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


async def _connected(spec: Spec, timeout: float) -> socket.socket:
    """A connection to an address that passed the guard; raises Failed or OSError."""
    endpoints = await resolve(spec.host, spec.port, timeout)
    for endpoint in endpoints:
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(timeout / (len(endpoints) + 1)):  # an address that says nothing leaves time for the next
                await asyncio.get_running_loop().sock_connect(sock, (endpoint.address, endpoint.port))
        except OSError as error:  # TimeoutError is one
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


def _client(spec: Spec, timeout: float, sock: socket.socket) -> aiosmtplib.SMTP:
    context = ssl.create_default_context()
    if not spec.verify_tls:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return aiosmtplib.SMTP(
        hostname=spec.host,  # for TLS; the connection stands already
        port=None,
        sock=sock,
        timeout=timeout,
        use_tls=spec.tls == "implicit",
        start_tls={"auto": None, "starttls": True, "implicit": False, "off": False}[spec.tls],
        username=spec.username,
        password=spec.password.get_secret_value() if spec.password else None,
        tls_context=context,
    )


def _refuse(code: int, said: str) -> None:
    text = f"the mail server answered {code} {_line(said)[:200]}"
    raise Permanent(text) if code >= 500 else Transient(text)


def _line(text: str) -> str:
    """One line: a label must not add headers."""
    return " ".join(text.split())
