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

Fetch = Callable[[Request], Awaitable[Response]]


async def follow(request: Request, fetch: Fetch) -> Response:
    """The last answer; headers that may be secret, user name and password go to the first origin only.

    Raises Failed: what `ask` raises, too_many_redirects, and blocked for a redirect to anything but http and https.
    """
    response = await fetch(request)
    if not _is_redirect(response):
        return response
    first_origin, request_now = origin(request.url), request
    timings, lines = response.timings, response.lines
    for count in range(1, request.follow_redirects + 1):
        request_now = _next(
            request_now, response, urljoin(request_now.url, _encoded(response.headers["location"])), first_origin
        )
        response = await fetch(replace(request_now, timeout=max(request.timeout - timings.total, 0.001)))
        timings, lines = _sum(timings, response.timings), (*lines, *response.lines)
        if not _is_redirect(response):
            return replace(response, redirects=count, timings=timings, lines=lines)
    raise Failed(Kind.TOO_MANY_REDIRECTS, f"more than {request.follow_redirects} redirects")


def _is_redirect(response: Response) -> bool:
    return response.status in MOVED and "location" in response.headers


def _encoded(location: str) -> str:
    """The place as a URL may be written; servers put spaces and raw bytes there."""
    return re.sub(r"[^\x21-\x7e]", lambda found: f"%{ord(found[0]):02X}", location.strip())


def _next(request_now: Request, answer: Response, url: str, first_origin: object) -> Request:
    status, cookies = answer.status, answer.cookies if request_now.cookies is not None else None
    try:
        request_now = replace(request_now, url=http_url(url), cookies=cookies)
    except ValueError as error:
        raise Failed(Kind.BLOCKED, f"redirected to a forbidden address: {error}") from None
    if status == 303 or request_now.method in BECOMES_GET.get(status, ()):
        request_now = replace(request_now, method="HEAD" if request_now.method == "HEAD" else "GET", body=b"")
    if origin(url) == first_origin:
        return request_now
    kept = {name: value for name, value in request_now.headers.items() if name.lower() in HARMLESS}
    return replace(request_now, headers=kept, username=None, password=None)


def _sum(one: Timings, other: Timings) -> Timings:
    return Timings(
        one.dns + other.dns,
        one.connect + other.connect,
        one.tls + other.tls,
        one.first_byte + other.first_byte,
        one.total + other.total,
    )
