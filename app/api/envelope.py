"""Around every request: a trace id, the body's limit while it streams in, HEAD as GET without a body, security headers."""

import secrets
from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import log
from app.api.body import Body
from app.net.proxies import seen_through
from app.settings import settings

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

logger = log.get(__name__)


class Envelope:
    """Pure ASGI, because it wraps the intake too. Headers set by a response take precedence."""

    def __init__(self, app: ASGIApp, bug: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self.app, self.bug = app, bug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scope = seen_through(scope, settings().proxies)
        trace = secrets.token_hex(8)
        head = scope["method"] == "HEAD"
        state = {**scope.get("state", {}), "trace": trace, "method": scope["method"]}
        inner = {**scope, "method": "GET" if head else scope["method"], "state": state}
        begun = answered = False

        async def ended() -> Message:
            """After the response to a HEAD the client is gone: an event stream must end."""
            return {"type": "http.disconnect"} if answered else await receive()

        body = Body(inner, ended)

        async def reply(message: Message) -> None:
            nonlocal begun, answered
            if message["type"] == "http.response.start":
                begun = True
                await body.read_away()
                _add_headers(message, trace, scope["scheme"])
            elif head:
                if answered:
                    return
                answered = True
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        with structlog.contextvars.bound_contextvars(trace=trace):
            try:
                await self.app(inner, body.receive, reply)
            except ClientDisconnect:
                logger.debug("client_disconnected", path=scope["path"], received=body.size)  # nobody reads an answer
            except Exception as error:  # the web boundary: answered with its trace, and logged
                if begun:
                    raise
                await (await self.bug(Request(inner), error))(inner, receive, reply)
            finally:
                body.done()


def _add_headers(message: Message, trace: str, scheme: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in (HEADERS | TLS_ONLY if scheme == "https" else HEADERS).items():
        headers.setdefault(name, value)
    headers["X-Trace-Id"] = trace
