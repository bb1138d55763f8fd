"""Answers packed with gzip for whoever takes it (RFC 9110, 12.5.3)."""

import re

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware, GZipResponder, IdentityResponder
from starlette.types import Receive, Scope, Send

_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
GZIP = ("gzip", "x-gzip")  # 8.4.1.3: the same


def takes_gzip(accept_encoding: str) -> bool:
    """Whether that header takes gzip: named, or by `*`, and not with the weight 0. One that cannot be read takes none."""
    weights: dict[str, float] = {}
    for one in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        weight = _WEIGHT.fullmatch(parameters[0]) if parameters else None
        weights[name] = float(weight[1]) if weight else 0.0 if parameters else 1.0
    return next((weights[name] for name in (*GZIP, "*") if name in weights), 0.0) > 0


class Packing(GZipMiddleware):
    """Starlette's, which packs for whoever names gzip, also with the weight 0."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            packed = takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
            responder = (
                GZipResponder(self.app, self.minimum_size, self.compresslevel)
                if packed
                else IdentityResponder(self.app, self.minimum_size)
            )
            await responder(scope, receive, send)
        else:
            await self.app(scope, receive, send)
