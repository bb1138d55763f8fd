"""How a request becomes libcurl's options; what could smuggle a second request into the first is refused here."""

import os
from collections.abc import Iterator
from typing import Any

import pycurl

from app.failure import Failed, Kind
from app.net.exchange import Request
from app.net.header import CONTROL, TOKEN, header_name, header_value
from app.net.tls import authorities, readable
from app.net.url import http_url
from app.sentence import lower_first

AGENT = "Tocsin/1"

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 9.2.1: they change nothing

# Seconds. Many servers end a connection that is idle for 5 s, and what is sent meanwhile is lost with it and not sent again.
LONGEST_IDLE = 4

WEB = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
ALWAYS: tuple[tuple[int, Any], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, WEB),
    (pycurl.PROXY, ""),  # none, whatever http_proxy says
    (pycurl.ACCEPT_ENCODING, ""),  # everything libcurl can unpack
    (pycurl.USERAGENT, AGENT),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.MAXAGE_CONN, LONGEST_IDLE),
)


def destination(request: Request, elapsed: float) -> Iterator[tuple[int, Any]]:
    """libcurl options for where a request goes and how long it may take, of which so many seconds are spent.

    Raises Failed(BLOCKED) when it is malformed.
    """
    try:
        yield pycurl.URL, http_url(request.url)
    except ValueError as error:
        raise Failed(Kind.BLOCKED, str(error)) from None
    yield pycurl.CONNECTTIMEOUT_MS, milliseconds(request.connect_timeout or request.timeout)
    yield pycurl.TIMEOUT_MS, milliseconds(request.timeout - elapsed)


def options(request: Request) -> Iterator[tuple[int, Any]]:
    """libcurl options for everything else that a request says. Raises Failed(BLOCKED) when it is malformed."""
    if request.socket is not None:
        yield pycurl.UNIX_SOCKET_PATH, os.fsencode(request.socket)
    yield from _request_options(request)
    if request.fresh:
        yield pycurl.FRESH_CONNECT, 1
        yield pycurl.FORBID_REUSE, 1
        yield pycurl.DNS_CACHE_TIMEOUT, 1
        yield pycurl.SSL_SESSIONID_CACHE, 0  # a resumed session shows no certificate
    if request.username is not None:
        yield pycurl.USERNAME, _octets(request.username)
        yield pycurl.PASSWORD, _octets(request.password or "")
    yield from _tls_options(request)


def _request_options(request: Request) -> Iterator[tuple[int, Any]]:
    if not TOKEN.fullmatch(request.method):
        raise Failed(Kind.BLOCKED, f"{request.method!r} is not an HTTP method")
    if request.body and once(request):
        yield pycurl.POST, 1
        yield pycurl.POSTFIELDSIZE_LARGE, len(request.body)
    elif request.body:
        yield pycurl.POSTFIELDS, request.body
    if request.method == "HEAD":
        yield pycurl.NOBODY, 1
    elif request.method != "GET" or request.body:
        yield pycurl.CUSTOMREQUEST, request.method
    lines = [_line(name, value) for name, value in request.headers.items()]
    if request.body:
        lines.append(b"Expect:")
        if not any(name.lower() == "content-type" for name in request.headers):
            lines.append(b"Content-Type:")
    if lines:
        yield pycurl.HTTPHEADER, lines


def once(request: Request) -> bool:
    """Whether libcurl must be kept from sending it again by itself.

    It does so, unasked, when a connection that it reuses ends before an answer: the server may have done the work by then.
    No option turns that off. A body that it must fetch from us again, and is not given, ends the transfer instead
    (E_SEND_FAIL_REWIND); what has no body goes over a new connection, on which it never repeats.
    """
    return request.method not in SAFE


def _octets(text: str) -> bytes:
    """A user name or password as it is sent. Source: RFC 7617 2.1: in UTF-8, without control characters."""
    if CONTROL.search(text):
        raise Failed(Kind.BLOCKED, "the user name or password contains a control character")
    return text.encode()


def _line(name: str, value: str) -> bytes:
    try:
        header_name(name)
        header_value(value)
    except ValueError as error:
        raise Failed(Kind.BLOCKED, f"header {name}: {error}") from None
    return (f"{name}: {value}" if value.strip() else f"{name};").encode("latin-1")  # ; is libcurl's way to send an empty one


def _tls_options(request: Request) -> Iterator[tuple[int, Any]]:
    yield pycurl.CAINFO, os.fsencode(_bundle(request.ca))
    if not request.verify_tls:
        yield pycurl.SSL_VERIFYPEER, 0
        yield pycurl.SSL_VERIFYHOST, 0
    if request.certificate:
        yield pycurl.OPT_CERTINFO, 1


def _bundle(ca: str | None) -> str:
    """The bundle to trust. libcurl would wait for ever for the writer of a FIFO, and with it every task on the loop."""
    try:
        return readable(ca) if ca else authorities()
    except OSError as error:
        raise Failed(Kind.BLOCKED, f"{ca} cannot be read as a CA bundle: {lower_first(str(error.strerror))}") from None


def milliseconds(seconds: float) -> int:
    """Never 0, which libcurl takes for: without end."""
    return max(1, round(seconds * 1000))
