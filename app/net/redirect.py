"""Follows redirects one by one where a request's own headers must not leave its origin; libcurl would send them along.

libcurl keeps back `Authorization`, cookies and a password by itself, but no other header that carries a key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urljoin

from app.net.exchange import Request, Response, Timings
from app.net.failure import Failed, Kind
from app.net.url import http_url, origin

HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"})
MOVED = frozenset({301, 302, 303, 307, 308})
BECOMES_GET = {301: frozenset({"POST"}), 302: frozenset({"POST"})}  # RFC 9110 15.4; after 303 every method does

Ask = Callable[[Request], Awaitable[Response]]


def is_private(request: Request) -> bool:
    """Whether following its redirects could hand a secret to somebody else."""
    return request.follow_redirects > 0 and any(name.lower() not in HARMLESS for name in request.headers)


async def follow(request: Request, ask: Ask) -> Response:
    """The last answer; headers that may be secret, user name and password go to the first origin only.

    Raises Failed: what `ask` raises, too_many_redirects, and blocked for a redirect to anything but http and https.
    """
    home, asked = origin(request.url), replace(request, follow_redirects=0)
    timings, lines = Timings(0.0, 0.0, 0.0, 0.0, 0.0), tuple[bytes, ...]()
    for count in range(request.follow_redirects + 1):
        response = await ask(replace(asked, timeout=max(request.timeout - timings.total, 0.001)))
        timings, lines = _sum(timings, response.timings), (*lines, *response.lines)
        place = response.headers.get("location")
        if response.status not in MOVED or place is None:
            return replace(response, redirects=count, timings=timings, lines=lines)
        asked = _next(asked, response.status, urljoin(asked.url, place), home)
    raise Failed(Kind.TOO_MANY_REDIRECTS, f"more than {request.follow_redirects} redirects")


def _next(asked: Request, status: int, url: str, home: object) -> Request:
    try:
        asked = replace(asked, url=http_url(url))
    except ValueError as error:
        raise Failed(Kind.BLOCKED, f"redirected to where no request may go: {error}") from None
    if status == 303 or asked.method in BECOMES_GET.get(status, ()):
        asked = replace(asked, method="HEAD" if asked.method == "HEAD" else "GET", body=b"")
    if origin(url) == home:
        return asked
    kept = {name: value for name, value in asked.headers.items() if name.lower() in HARMLESS}
    return replace(asked, headers=kept, username=None, password=None, cookies=None)


def _sum(one: Timings, other: Timings) -> Timings:
    return Timings(
        one.dns + other.dns,
        one.connect + other.connect,
        one.tls + other.tls,
        one.first_byte + other.first_byte,
        one.total + other.total,
    )
