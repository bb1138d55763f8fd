"""Around every request: a trace id, the body's limit while it streams in, HEAD as GET without a body, security headers."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge
from app.net.proxies import seen_through
from app.settings import settings
from app.signals.sources.generic import BODY

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
TLS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}
READ_AWAY, PATIENCE = 8 * BODY, 5.0  # bytes and seconds of a refused body


class Envelope:
    """Pure ASGI, because it stands before the intake as well. A response's own headers win over these."""

    def __init__(self, app: ASGIApp, bug: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app, self.bug = app, bug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = seen_through(scope, settings().proxies)
        trace = secrets.token_hex(8)
        head = scope["method"] == "HEAD"
        state = {**scope.get("state", {}), "trace": trace, "method": scope["method"]}
        inner = {**scope, "method": "GET" if head else scope["method"], "state": state}
        begun = told = False

        async def ended() -> Message:
            """After a HEAD is answered, its sender is gone: an event stream must not go on for nobody."""
            return {"type": "http.disconnect"} if told else await receive()

        body = _Body(inner, ended)

        async def reply(message: Message) -> None:
            nonlocal begun, told
            if message["type"] == "http.response.start":
                begun = True
                await body.read_away()
                _add_headers(message, trace, scope["scheme"])
            elif head:
                if told:
                    return
                told = True
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        with structlog.contextvars.bound_contextvars(trace=trace):
            try:
                await self.app(inner, body.receive, reply)
            except Exception as error:  # the web boundary: told with its trace, and logged
                if begun:
                    raise
                await (await self.bug(Request(inner), error))(inner, receive, reply)


class _Body:
    """A request's body while it streams in: never handed on beyond the limit, and read to its end before any answer."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        self.announced = int(announced) if announced.isdigit() else 0
        self.coming = bool(self.announced) or b"transfer-encoding" in headers
        self.asks_first = b"expect" in headers  # such a sender sends nothing when the answer comes before "100 Continue"
        self.size, self.source = 0, receive

    async def receive(self) -> Message:
        """Raises TooLarge as soon as more than the limit is announced or has come."""
        if self.announced > BODY:
            raise TooLarge(f"the body has {self.announced} bytes; {BODY} are allowed")
        message = await self._next()
        if self.size > BODY:
            raise TooLarge(f"the body has more than {BODY} bytes")
        return message

    async def read_away(self) -> None:
        """Take what nobody wants: closing on a sender resets the connection, and he never sees the answer (RFC 9112, 9.6)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.coming and not self.asks_first and self.size < READ_AWAY:
                    await self._next()

    async def _next(self) -> Message:
        message = await self.source()
        self.size += len(message.get("body", b""))
        self.coming = bool(message.get("more_body", False))
        return message


def _add_headers(message: Message, trace: str, scheme: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in (HEADERS | TLS_ONLY if scheme == "https" else HEADERS).items():
        headers.setdefault(name, value)
    headers["X-Trace-Id"] = trace
