"""Follows redirects one by one, each like a request of its own: judged, looked up and bounded.

libcurl would look a new name up by itself, in one of twenty threads that a dead name server holds, and send headers that carry
a key (all but `Authorization`) along to another host.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urljoin

from app.failure import Failed, Kind
from app.net.exchange import Request, Response, Timings
from app.net.url import http_url, origin

HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"})
MOVED = frozenset({301, 302, 303, 307, 308})
BECOMES_GET = {301: frozenset({"POST"}), 302: frozenset({"POST"})}  # RFC 9110 15.4; after 303 every method does

Ask = Callable[[Request], Awaitable[Response]]


async def follow(request: Request, ask: Ask) -> Response:
    """The last answer; headers that may be secret, user name and password go to the first origin only.

    Raises Failed: what `ask` raises, too_many_redirects, and blocked for a redirect to anything but http and https.
    """
    response = await ask(request)
    if not _moved(response):
        return response
    home, asked = origin(request.url), request
    timings, lines = response.timings, response.lines
    for count in range(1, request.follow_redirects + 1):
        asked = _next(asked, response, urljoin(asked.url, _encoded(response.headers["location"])), home)
        response = await ask(replace(asked, timeout=max(request.timeout - timings.total, 0.001)))
        timings, lines = _sum(timings, response.timings), (*lines, *response.lines)
        if not _moved(response):
            return replace(response, redirects=count, timings=timings, lines=lines)
    raise Failed(Kind.TOO_MANY_REDIRECTS, f"more than {request.follow_redirects} redirects")


def _moved(response: Response) -> bool:
    return response.status in MOVED and "location" in response.headers


def _encoded(place: str) -> str:
    """The place as a URL may be written; servers put spaces and raw bytes there."""
    return re.sub(r"[^\x21-\x7e]", lambda found: f"%{ord(found[0]):02X}", place.strip())


def _next(asked: Request, answer: Response, url: str, home: object) -> Request:
    status, cookies = answer.status, answer.cookies if asked.cookies is not None else None
    try:
        asked = replace(asked, url=http_url(url), cookies=cookies)
    except ValueError as error:
        raise Failed(Kind.BLOCKED, f"redirected to where no request may go: {error}") from None
    if status == 303 or asked.method in BECOMES_GET.get(status, ()):
        asked = replace(asked, method="HEAD" if asked.method == "HEAD" else "GET", body=b"")
    if origin(url) == home:
        return asked
    kept = {name: value for name, value in asked.headers.items() if name.lower() in HARMLESS}
    return replace(asked, headers=kept, username=None, password=None)


def _sum(one: Timings, other: Timings) -> Timings:
    return Timings(
        one.dns + other.dns,
        one.connect + other.connect,
        one.tls + other.tls,
        one.first_byte + other.first_byte,
        one.total + other.total,
    )
