"""One HTTP request and its response, as values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from app.net.charset import decoded

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for. Redirects are followed only up to `follow_redirects`."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout: float = 10.0  # seconds, for name, connection, redirects and body together
    connect_timeout: float | None = None  # seconds; None = `timeout`
    follow_redirects: int = 0  # at most so many
    max_bytes: int = MEBIBYTE  # of the unpacked body; more is not read, and the response is `truncated`
    verify_tls: bool = True
    ca: str | None = None  # path of a CA bundle instead of the system's
    username: str | None = None  # basic authentication; sent to the first host only
    password: str | None = field(default=None, repr=False)
    socket: str | None = None  # path of a Unix socket; then no host is resolved or connected to
    fresh: bool = False  # new connection and full handshake, closed afterwards: what a probe wants to see
    wanted: Callable[[], bool] | None = field(default=None, repr=False)  # called once connected; False = nothing is sent
    certificate: bool = False  # read the certificate's expiry
    cookies: tuple[str, ...] | None = field(default=None, repr=False)  # an earlier response's, () to begin; None = none at all


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds each phase took, summed over redirects; 0.0 for a phase that did not happen."""

    dns: float
    connect: float
    tls: float
    first_byte: float  # from the request being sent to the first byte of the answer
    total: float


@dataclass(frozen=True)
class Response:
    """What was answered last, after redirects."""

    status: int
    url: str  # the last one, without user name and password
    body: bytes = field(repr=False)
    truncated: bool
    timings: Timings
    redirects: int
    peer: str  # address:port
    certificate_expires: datetime | None
    lines: tuple[bytes, ...] = field(repr=False)  # header lines as received, of every answer on the way
    cookies: tuple[str, ...] = field(default=(), repr=False)  # what is to be sent from now on, as libcurl writes it down

    @cached_property
    def fields(self) -> dict[str, list[str]]:
        """The last answer's header fields: lower-cased name -> every value, in order."""
        found: dict[str, list[str]] = {}
        for line in _last_block(self.lines):
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                found.setdefault(name.strip().lower(), []).append(value.strip())
        return found

    @property
    def headers(self) -> dict[str, str]:
        """The same with several values joined by a comma, as RFC 9110 5.3 reads them."""
        return {name: ", ".join(values) for name, values in self.fields.items()}

    def values(self, name: str) -> list[str]:
        """Every value of one field, in order; reads no other."""
        length, wanted = len(name), name.lower().encode("latin-1")
        lines = (line for line in _last_block(self.lines) if line[:length].lower() == wanted)
        fields = (line.decode("latin-1").partition(":") for line in lines)
        return [value.strip() for found, colon, value in fields if colon and len(found.strip()) == length]

    @cached_property
    def text(self) -> str:
        """The body as text, in the charset in which a browser would read it; never fails."""
        return decoded(self.body, self.values("content-type"), truncated=self.truncated)


def _last_block(lines: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Fields of the last answer: redirects, 100 Continue and early hints each leave a block that ends in an empty line."""
    start = 0
    for index, line in enumerate(lines[:-1]):
        if line in (b"\r\n", b"\n") and lines[index + 1].startswith(b"HTTP/"):
            start = index + 1
    return lines[start + 1 :]
