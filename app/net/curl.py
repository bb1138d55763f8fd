"""One libcurl handle: what its callbacks gather during a request becomes a response, or the reason why there is none."""

import asyncio
import errno
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from ssl import cert_time_to_seconds
from typing import Any, Self

import pycurl

from app.failure import Failed, Kind, NotSent
from app.net.exchange import Request, Response, Timings
from app.net.guard import refusal
from app.net.options import ALWAYS, destination, once, options
from app.net.resolve import Endpoint
from app.secret import without_login
from app.sentence import lower_first

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
    pycurl.E_SEND_FAIL_REWIND: Kind.PROTOCOL,  # it ended without an answer, and is not sent again: see options.once
    pycurl.E_BAD_CONTENT_ENCODING: Kind.PROTOCOL,
    pycurl.E_HTTP2: Kind.PROTOCOL,
}

REFUSALS = frozenset({errno.ECONNREFUSED})


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name meant when we asked, so that libcurl need not: its resolver has twenty threads, and hung ones keep them."""

    entry: str = ""  # host:port:address,address as libcurl takes it; empty for a numeric host
    seconds: float = 0.0

    @classmethod
    def of(cls, host: str, port: int, found: tuple[Endpoint, ...], seconds: float) -> Self:
        """The entry for these addresses; `+` lets it age as one that libcurl looked up."""
        addresses = (f"[{one.address}]" if ":" in one.address else one.address for one in found)
        return cls(f"+{host}:{port}:{','.join(addresses)}", seconds)


NUMERIC = Lookup()


class OwnedSocket:
    """A socket as libcurl takes it: it duplicates the descriptor, and ours must close silently."""

    __slots__ = ("socket",)

    def __init__(self, made: socket.socket) -> None:
        self.socket = made

    def fileno(self) -> int:
        return self.socket.fileno()

    def __del__(self) -> None:
        self.socket.close()


class Transfer:
    """A reusable libcurl handle and what its callbacks gather during one request."""

    __slots__ = (
        "blocked", "body", "curl", "declined", "dns", "done", "has_cookies", "limit", "lines", "remaining_body", "settings",
        "truncated", "wanted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.curl.transfer = self
        self.lines: list[bytes] = []
        self.settings: object = None  # of the request it is set up for
        self.has_cookies = False  # it keeps cookies, which no reset clears

    def prepare(self, request: Request, lookup: Lookup, done: "asyncio.Future[tuple[int, str]]", fresh: bool) -> None:
        """Forget the last request and set up this one, `fresh` over a new connection. Raises Failed(BLOCKED): malformed."""
        self.done, self.body, self.lines, self.dns = done, bytearray(), [], lookup.seconds
        self.limit, self.truncated, self.blocked = request.max_bytes, False, ""
        self.remaining_body, self.wanted, self.declined = memoryview(request.body), request.wanted, False
        if self.settings != (settings := _settings(request, lookup)):  # else only what differs is set again
            self.settings = None
            self._set_up(request)
            self.settings = settings
        if once(request):
            self.curl.setopt(pycurl.FRESH_CONNECT, int(fresh or request.fresh or not request.body))
        for option, value in destination(request, lookup.seconds):
            self.curl.setopt(option, value)
        if lookup.entry:
            self.curl.setopt(pycurl.RESOLVE, [lookup.entry])

    def _set_up(self, request: Request) -> None:
        curl = self.curl
        curl.reset()
        for option, value in (*ALWAYS, *options(request)):
            curl.setopt(option, value)
        if request.cookies is not None:
            self.has_cookies = True
            curl.setopt(pycurl.COOKIEFILE, "")
            for line in request.cookies:
                curl.setopt(pycurl.COOKIELIST, line.encode("latin-1"))
        if request.socket is None:
            curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        if request.body and once(request):
            curl.setopt(pycurl.READFUNCTION, self._read_body)
            curl.setopt(pycurl.SEEKFUNCTION, _refuse_seek)
        if request.wanted is not None:
            curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.HEADERFUNCTION, self._header_line)

    def _open(self, _purpose: int, to: Any) -> Any:
        why = refusal(to.addr[0])
        if why is None:
            return OwnedSocket(socket.socket(to.family, to.socktype, to.protocol))
        self.blocked = why
        return pycurl.SOCKET_BAD

    def _before_request(self, *_addresses: object) -> int:
        self.declined = self.wanted is not None and not self.wanted()
        return int(pycurl.PREREQFUNC_ABORT if self.declined else pycurl.PREREQFUNC_OK)

    def _read_body(self, size: int) -> bytes:
        chunk, self.remaining_body = self.remaining_body[:size], self.remaining_body[size:]
        return bytes(chunk)

    def _header_line(self, line: bytes) -> None:
        self.lines.append(line)

    def _write(self, chunk: bytes) -> int | None:
        self.body += chunk
        if len(self.body) <= self.limit:
            return None
        del self.body[self.limit :]
        self.truncated = True
        return 0  # ends the transfer with E_WRITE_ERROR

    def response(self, code: int, message: str, request: Request) -> Response:
        """What the finished transfer got. Raises Failed when that is no answer."""
        if self.declined:
            raise NotSent
        if code != pycurl.E_OK and not (code == pycurl.E_WRITE_ERROR and self.truncated):
            raise self._failure(code, message, request)
        info, raw = self.curl.getinfo, self.curl.getinfo_raw  # raw: what the server wrote need not be UTF-8
        url = raw(pycurl.EFFECTIVE_URL).decode(errors="replace")
        return Response(
            status=info(pycurl.RESPONSE_CODE),
            url=without_login(url) if "@" in url else url,
            body=bytes(self.body),
            truncated=self.truncated,
            timings=self._timings(),
            redirects=info(pycurl.REDIRECT_COUNT),
            peer=f"{info(pycurl.PRIMARY_IP)}:{info(pycurl.PRIMARY_PORT)}",
            certificate_expires=_expiry(raw(pycurl.INFO_CERTINFO)) if request.certificate else None,
            lines=tuple(self.lines),
            cookies=tuple(line.decode("latin-1") for line in raw(pycurl.INFO_COOKIELIST)) if self.has_cookies else (),
        )

    def _timings(self) -> Timings:
        info = self.curl.getinfo
        dns, connected = info(pycurl.NAMELOOKUP_TIME), info(pycurl.CONNECT_TIME)
        secured, sent = info(pycurl.APPCONNECT_TIME), info(pycurl.PRETRANSFER_TIME)
        return Timings(
            dns=self.dns + dns,
            connect=max(0.0, connected - dns),
            tls=max(0.0, secured - connected) if secured else 0.0,
            first_byte=max(0.0, info(pycurl.STARTTRANSFER_TIME) - sent),
            total=self.dns + info(pycurl.TOTAL_TIME),
        )

    def _failure(self, code: int, message: str, request: Request) -> Failed:
        kind = KINDS.get(code, Kind.OTHER)
        if kind is Kind.TIMEOUT:
            return Failed(kind, self._timeout_message(request))
        if kind is Kind.BLOCKED and not message.startswith("Protocol"):
            kind = Kind.PROTOCOL  # the same number for an answer that is no HTTP
        if kind is Kind.CONNECT and self.blocked:
            return Failed(Kind.BLOCKED, self.blocked)
        if kind is Kind.CONNECT and request.socket is not None:
            return self._closed_socket(request.socket)
        if kind is Kind.CONNECT and self.curl.getinfo(pycurl.OS_ERRNO) in REFUSALS:
            kind = Kind.REFUSED
        if code == pycurl.E_SEND_FAIL_REWIND:
            message = "the connection was closed before a response arrived"
        return Failed(kind, lower_first(message))

    def _closed_socket(self, path: str) -> Failed:
        number = self.curl.getinfo(pycurl.OS_ERRNO)
        if number in REFUSALS or number in (errno.ENOENT, errno.ENOTSOCK):
            return Failed(Kind.REFUSED, f"nothing is listening on {path}")
        message = lower_first(os.strerror(number)) if number else "cannot connect"
        return Failed(Kind.DENIED if number in (errno.EACCES, errno.EPERM) else Kind.CONNECT, f"{path}: {message}")

    def _timeout_message(self, request: Request) -> str:
        info = self.curl.getinfo
        if self.lines:
            return f"the response did not finish within {request.timeout:.3g} s ({len(self.body)} bytes received)"
        if info(pycurl.REQUEST_SIZE):
            return f"no response within {request.timeout:.3g} s of connecting to {request.socket or info(pycurl.PRIMARY_IP)}"
        if info(pycurl.CONNECT_TIME):
            return f"the TLS handshake with {info(pycurl.PRIMARY_IP)} did not finish in time"
        if info(pycurl.NAMELOOKUP_TIME):
            return "connection timed out: the host does not respond, or a firewall drops the packets"
        return "the host name was not resolved in time"


def _refuse_seek(_offset: int, _origin: int) -> int:
    """Refuses libcurl's attempt to send a body again."""
    return int(pycurl.SEEKFUNC_FAIL)


def _settings(request: Request, lookup: Lookup) -> object:
    """All that makes two requests differ but where they go and how long that may take, and whether a name was looked up."""
    return (
        request.method, dict(request.headers), request.body, request.follow_redirects, request.verify_tls, request.ca,
        request.username, request.password, request.socket, request.fresh, request.certificate, request.cookies,
        bool(lookup.entry), request.wanted is None,
    )  # fmt: skip


def _expiry(chain: list[list[tuple[bytes, bytes]]]) -> datetime | None:
    """When the server's own certificate, the first of the chain, ends."""
    for name, value in chain[0] if chain else ():
        if name == b"Expire date":
            return datetime.fromtimestamp(cert_time_to_seconds(value.decode()), UTC)
    return None
