"""Around every request: a trace id, the body's limit while it streams in, HEAD as GET without a body, security headers."""

import secrets
from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge
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


class Envelope:
    """Pure ASGI, because it stands before the intake as well. A response's own headers win over these."""

    def __init__(self, app: ASGIApp, bug: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app, self.bug = app, bug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace = secrets.token_hex(8)
        head = scope["method"] == "HEAD"
        inner = {**scope, "method": "GET" if head else scope["method"], "state": {**scope.get("state", {}), "trace": trace}}
        begun = told = False

        async def reply(message: Message) -> None:
            nonlocal begun, told
            if message["type"] == "http.response.start":
                begun = True
                _add_headers(message, trace, scope["scheme"])
            elif head:
                if told:
                    return
                told = True
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        async def ended() -> Message:
            """After a HEAD is answered, its sender is gone: an event stream must not go on for nobody."""
            return {"type": "http.disconnect"} if told else await receive()

        with structlog.contextvars.bound_contextvars(trace=trace):
            try:
                await self.app(inner, _limited(inner, ended), reply)
            except Exception as error:  # the web boundary: told with its trace, and logged
                if begun:
                    raise
                await (await self.bug(Request(inner), error))(inner, receive, reply)


def _limited(scope: Scope, receive: Receive) -> Receive:
    """`receive` that raises TooLarge as soon as more than the limit is announced or has come."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    size = 0

    async def counted() -> Message:
        nonlocal size
        if announced.isdigit() and int(announced) > BODY:
            raise TooLarge(f"the body has {announced.decode()} bytes; {BODY} are allowed")
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY:
            raise TooLarge(f"the body has more than {BODY} bytes")
        return message

    return counted


def _add_headers(message: Message, trace: str, scheme: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in (HEADERS | TLS_ONLY if scheme == "https" else HEADERS).items():
        headers.setdefault(name, value)
    headers["X-Trace-Id"] = trace
