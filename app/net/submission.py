"""Submits one message to a mail server: TLS, when the password may be sent, and which recipients were refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ssl import SSLContext

from app.failure import Failed, Kind, NoTls
from app.net.smtp import NotOffered, Refused, Reply, Session, from_the_first_byte, session


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over, and how."""

    host: str
    port: int
    tls: str  # auto, starttls, implicit, off
    context: SSLContext
    hello: str | None  # name given with EHLO; None = our address
    username: str | None
    password: str | None

    @property
    def implicit(self) -> bool:
        return from_the_first_byte(self.tls, self.port)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server's reply to the message, and the recipients it refused."""

    reply: Reply
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope and what is in it: header and body, lines ended by CRLF."""

    sender: str
    recipients: Sequence[str]
    content: bytes
    wanted: Callable[[], bool] = lambda: True  # asked when nothing but the content is left to send


async def submit(to: Server, mail: Mail, timeout: float) -> Accepted:
    """Hand the message over within `timeout` seconds for everything.

    Raises Failed, with a hint where the settings are likely wrong; Refused when nobody is taken: for now, if for anybody;
    NotSent when it is not wanted any more.
    """
    server: Session | None = None
    try:
        async with session(to.host, to.port, timeout=timeout, tls=to.context if to.implicit else None) as server:
            await server.greet(to.hello)
            await _secure(to, server)
            return await _transfer(server, mail)
    except Failed as failed:
        hint = _hint(to, failed, server)
        if not hint:
            raise
        raise Failed(failed.kind, f"{failed}; {hint}") from None


async def _secure(to: Server, server: Session) -> None:
    if not server.chain and to.tls in ("auto", "starttls"):
        if "STARTTLS" in server.offers:
            await server.start_tls(to.context, to.host)
            await server.hello(to.hello)
        elif to.tls == "starttls":
            raise NotOffered("it does not offer STARTTLS, which `tls: starttls` requires")
        elif to.username is not None and not server.is_loopback:  # a man in the middle may have removed it from the offers
            raise NotOffered("it does not offer STARTTLS, so the password was not sent; `tls: off` sends it in clear text")
    if to.username is not None and to.password is not None:
        await server.login(to.username, to.password)


async def _transfer(server: Session, mail: Mail) -> Accepted:
    non_ascii = next((one for one in (mail.sender, *mail.recipients) if not one.isascii()), None)
    if non_ascii is not None and "SMTPUTF8" not in server.offers:
        raise NotOffered(f"it does not offer SMTPUTF8, which the address {non_ascii} needs")
    size = f" SIZE={len(mail.content)}" if "SIZE" in server.offers else ""
    extensions = " SMTPUTF8 BODY=8BITMIME" if non_ascii is not None else ""
    await server.ask(f"MAIL FROM:<{mail.sender}>{size}{extensions}", f"MAIL FROM:<{mail.sender}>", 250)
    refused = []
    for one in mail.recipients:
        try:
            await server.ask(f"RCPT TO:<{one}>", f"RCPT TO:<{one}>", 250, 251, 252)
        except Refused as error:
            refused.append(error)
    if len(refused) == len(mail.recipients):
        raise min(refused, key=lambda error: error.code)
    return Accepted(await server.data(mail.content, mail.wanted), tuple(refused))


def _hint(to: Server, failed: Failed, server: Session | None) -> str:
    """What is likely wrong with the settings when a server does not greet as they say; `server`: None without a connection."""
    if to.implicit and server is None and isinstance(failed, NoTls):
        return f"if port {to.port} starts in plain text, set `tls: starttls`"
    if not to.implicit and failed.kind is Kind.TIMEOUT and server is not None and not server.greeted:
        return f"if port {to.port} speaks TLS from the first byte, set `tls: implicit`"
    return ""
