"""One libcurl handle: how a request becomes its options, and what its callbacks gather becomes a response or a reason."""

import asyncio
import errno
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from ssl import cert_time_to_seconds
from typing import Any

import pycurl

from app.net.exchange import Request, Response, Timings
from app.net.failure import Failed, Kind
from app.net.guard import refusal
from app.net.tls import authorities
from app.net.url import http_url, without_secret

AGENT = "Tocsin/1"

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2
VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "expect"})  # libcurl's own business

KINDS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: Kind.BLOCKED,  # a redirect to gopher: or file:
    pycurl.E_URL_MALFORMAT: Kind.PROTOCOL,  # of a redirect; ours are judged before
    pycurl.E_COULDNT_RESOLVE_HOST: Kind.DNS,
    pycurl.E_COULDNT_CONNECT: Kind.CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: Kind.TIMEOUT,
    pycurl.E_TOO_MANY_REDIRECTS: Kind.TOO_MANY_REDIRECTS,
    pycurl.E_SSL_CONNECT_ERROR: Kind.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Kind.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Kind.TLS,
    pycurl.E_SSL_CERTPROBLEM: Kind.TLS,
    pycurl.E_SSL_CIPHER: Kind.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Kind.TLS,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Kind.PROTOCOL,  # CURLE_WEIRD_SERVER_REPLY, not only of FTP
    pycurl.E_GOT_NOTHING: Kind.PROTOCOL,
    pycurl.E_PARTIAL_FILE: Kind.PROTOCOL,
    pycurl.E_RECV_ERROR: Kind.PROTOCOL,
    pycurl.E_SEND_ERROR: Kind.PROTOCOL,
    pycurl.E_BAD_CONTENT_ENCODING: Kind.PROTOCOL,
    pycurl.E_HTTP2: Kind.PROTOCOL,
}

OBEY_CODE = 2  # CURLFOLLOW_OBEYCODE: after 303 every method becomes GET, after 301 and 302 POST does, after 307 none
WEB = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
ALWAYS: tuple[tuple[int, Any], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, WEB),
    (pycurl.REDIR_PROTOCOLS, WEB),
    (pycurl.PROXY, ""),  # none, whatever http_proxy says
    (pycurl.ACCEPT_ENCODING, ""),  # everything libcurl can unpack
    (pycurl.USERAGENT, AGENT),
    (pycurl.PATH_AS_IS, 1),
)


REFUSALS = frozenset({errno.ECONNREFUSED})


def options(request: Request) -> Iterator[tuple[int, Any]]:
    """libcurl options that say this request. Raises Failed(BLOCKED) when it is malformed."""
    try:
        yield pycurl.URL, http_url(request.url)
    except ValueError as error:
        raise Failed(Kind.BLOCKED, str(error)) from None
    yield pycurl.TIMEOUT_MS, _milliseconds(request.timeout)
    yield pycurl.CONNECTTIMEOUT_MS, _milliseconds(request.connect_timeout or request.timeout)
    yield from _asking(request)
    if request.follow_redirects:
        yield pycurl.FOLLOWLOCATION, OBEY_CODE
        yield pycurl.MAXREDIRS, request.follow_redirects
    if request.fresh:
        yield pycurl.FRESH_CONNECT, 1
        yield pycurl.FORBID_REUSE, 1
        yield pycurl.SSL_SESSIONID_CACHE, 0  # a resumed session shows no certificate
    if request.username is not None:
        yield pycurl.USERNAME, request.username
        yield pycurl.PASSWORD, request.password or ""
    yield from _trust(request)


def _asking(request: Request) -> Iterator[tuple[int, Any]]:
    if not TOKEN.fullmatch(request.method):
        raise Failed(Kind.BLOCKED, f"{request.method!r} is no HTTP method")
    if request.body:
        yield pycurl.POSTFIELDS, request.body
    if request.method == "HEAD":
        yield pycurl.NOBODY, 1
    elif request.method != "GET" or request.body:
        yield pycurl.CUSTOMREQUEST, request.method
    lines = [_line(name, value) for name, value in request.headers.items()]
    if request.body:
        lines.append("Expect:")
        if not any(name.lower() == "content-type" for name in request.headers):
            lines.append("Content-Type:")
    if lines:
        yield pycurl.HTTPHEADER, lines


def _line(name: str, value: str) -> str:
    if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
        raise Failed(Kind.BLOCKED, f"{name!r} cannot be set as a header")
    if VALUE.search(value):
        raise Failed(Kind.BLOCKED, f"the value of header {name} holds a control character or one beyond Latin-1")
    return f"{name}: {value}" if value.strip() else f"{name};"  # libcurl's way to send an empty one


def _trust(request: Request) -> Iterator[tuple[int, Any]]:
    yield pycurl.CAINFO, request.ca or authorities()
    if not request.verify_tls:
        yield pycurl.SSL_VERIFYPEER, 0
        yield pycurl.SSL_VERIFYHOST, 0
    if request.certificate:
        yield pycurl.OPT_CERTINFO, 1


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean: for ever


class Lent:
    """A socket as libcurl takes it: it duplicates the descriptor, and ours must close without a word."""

    __slots__ = ("socket",)

    def __init__(self, made: socket.socket) -> None:
        self.socket = made

    def fileno(self) -> int:
        return self.socket.fileno()

    def __del__(self) -> None:
        self.socket.close()


class Transfer:
    """A reusable libcurl handle and what its callbacks gather during one request."""

    __slots__ = ("blocked", "body", "curl", "done", "limit", "lines", "truncated")

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.curl.transfer = self
        self.lines: list[bytes] = []

    def prepare(self, request: Request, done: "asyncio.Future[tuple[int, str]]") -> None:
        """Forget the last request and set up this one. Raises Failed(BLOCKED) when it is malformed."""
        self.done, self.body, self.lines = done, bytearray(), []
        self.limit, self.truncated, self.blocked = request.max_bytes, False, ""
        curl = self.curl
        curl.reset()
        for option, value in (*ALWAYS, *options(request)):
            curl.setopt(option, value)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)

    def _open(self, _purpose: int, to: Any) -> Any:
        why = refusal(to.addr[0])
        if why is None:
            return Lent(socket.socket(to.family, to.socktype, to.protocol))
        self.blocked = why
        return pycurl.SOCKET_BAD

    def _write(self, chunk: bytes) -> int | None:
        self.body += chunk
        if len(self.body) <= self.limit:
            return None
        del self.body[self.limit :]
        self.truncated = True
        return 0  # ends the transfer with E_WRITE_ERROR

    def response(self, code: int, said: str, request: Request) -> Response:
        """What the finished transfer got. Raises Failed when that is no answer."""
        if code != pycurl.E_OK and not (code == pycurl.E_WRITE_ERROR and self.truncated):
            raise self._failure(code, said, request)
        info = self.curl.getinfo
        url = info(pycurl.EFFECTIVE_URL)
        return Response(
            status=info(pycurl.RESPONSE_CODE),
            url=without_secret(url) if "@" in url else url,
            body=bytes(self.body),
            truncated=self.truncated,
            timings=self._timings(),
            redirects=info(pycurl.REDIRECT_COUNT),
            peer=f"{info(pycurl.PRIMARY_IP)}:{info(pycurl.PRIMARY_PORT)}",
            certificate_expires=_expiry(info(pycurl.INFO_CERTINFO)) if request.certificate else None,
            lines=tuple(self.lines),
        )

    def _timings(self) -> Timings:
        info = self.curl.getinfo
        dns, connected = info(pycurl.NAMELOOKUP_TIME), info(pycurl.CONNECT_TIME)
        secured, sent = info(pycurl.APPCONNECT_TIME), info(pycurl.PRETRANSFER_TIME)
        return Timings(
            dns=dns,
            connect=max(0.0, connected - dns),
            tls=max(0.0, secured - connected) if secured else 0.0,
            first_byte=max(0.0, info(pycurl.STARTTRANSFER_TIME) - sent),
            total=info(pycurl.TOTAL_TIME),
        )

    def _failure(self, code: int, said: str, request: Request) -> Failed:
        kind = KINDS.get(code, Kind.OTHER)
        if kind is Kind.TIMEOUT:
            return Failed(kind, self._late(request))
        if kind is Kind.BLOCKED and not said.startswith("Protocol"):
            kind = Kind.PROTOCOL  # the same number for an answer that is no HTTP
        if kind is Kind.CONNECT and self.blocked:
            return Failed(Kind.BLOCKED, self.blocked)
        if kind is Kind.CONNECT and self.curl.getinfo(pycurl.OS_ERRNO) in REFUSALS:
            kind = Kind.REFUSED
        return Failed(kind, said[:1].lower() + said[1:])

    def _late(self, request: Request) -> str:
        info = self.curl.getinfo
        if info(pycurl.STARTTRANSFER_TIME):
            return f"the answer did not end within {request.timeout:.3g} s ({len(self.body)} bytes came)"
        if info(pycurl.PRETRANSFER_TIME):
            return f"no answer within {request.timeout:.3g} s of connecting to {info(pycurl.PRIMARY_IP)}"
        if info(pycurl.CONNECT_TIME):
            return f"the TLS handshake with {info(pycurl.PRIMARY_IP)} did not end in time"
        if info(pycurl.NAMELOOKUP_TIME):
            return "no connection in time: the host does not answer, or a firewall drops what we send"
        return "the host's name was not resolved in time"


def _expiry(chain: list[list[tuple[str, str]]]) -> datetime | None:
    """When the server's own certificate, the first of the chain, ends."""
    for name, value in chain[0] if chain else ():
        if name == "Expire date":
            return datetime.fromtimestamp(cert_time_to_seconds(value), UTC)
    return None
