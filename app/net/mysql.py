"""Guarded MySQL and MariaDB sessions for probes: resolve, check, connect to what was checked, and end in time whatever hangs.

PyMySQL blocks, so a session lives in a thread. It is handed a connected socket, reads no more bytes than it may, sends no file
(LOCAL INFILE is off) and no password in clear text to a server it cannot be sure of.
"""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ssl import SSLError
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pydantic import AfterValidator
from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, convert_datetime

from app.concurrency import threads
from app.failure import Failed, Kind
from app.net import tls
from app.net.address import refuse_literal
from app.net.resolve import Endpoint, in_turn, resolve_now
from app.net.tcp import connect_failure

T = TypeVar("T")

CONNECTION: Any = Connection  # its types leave out what is overridden here

LARGEST = 1 << 22  # bytes a session may receive by default
QUERY_SHARE, CLOSE_SHARE = (
    0.8,
    0.95,
)  # shares of the time-out: until then a query may run; then it is killed; then the socket is shut

# Source: the servers' lists of errors; 2000 and above are the client's own.
UNAVAILABLE = frozenset({1040, 1053, 1203, 1226})  # too many connections, shutting down: down, not a configuration error
CONNECTION_LOST = frozenset({2006, 2013, 2014, 2055})
NO_TLS = 2026

# What PyMySQL raises when the bytes make no sense; RuntimeError: the server asks for a file of ours.
PROTOCOL_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)

MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")  # as in the programs of MySQL


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says."""

    host: str  # empty for a Unix socket
    port: int
    path: str
    username: str
    password: str
    database: str
    mode: str
    ca: str | None


def parse(url: str) -> Target:
    """Read mysql:// and mariadb:// URLs. Raises ValueError that says what is wrong; never quotes the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError:
        parts, port = urlsplit(""), 0
    options = {name.replace("_", "-").lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    path, mode, ca = (
        options.pop(name, default) for name, default in (("socket", ""), ("ssl-mode", "PREFERRED"), ("ssl-ca", ""))
    )
    if parts.scheme not in ("mysql", "mariadb") or not parts.username or not (parts.hostname or path):
        raise ValueError("not a MySQL URL; write mysql://USER:PASSWORD@HOST:3306/DATABASE")
    if options:
        raise ValueError(f"{min(options)!r} is not supported; use ssl-mode, ssl-ca or socket")
    if mode.upper() not in MODES:
        raise ValueError(f"ssl-mode must be one of {', '.join(MODES)}")
    refuse_literal(parts.hostname or "")
    return Target(
        host="" if path else parts.hostname or "",
        port=port,
        path=path,
        username=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")),
        mode=mode.upper(),
        ca=ca or None,
    )


def mysql_url(text: str) -> str:
    """The URL, when it is a MySQL one. Raises ValueError."""
    parse(text)
    return text


MysqlUrl = Annotated[str, AfterValidator(mysql_url)]


def _moment(text: str) -> datetime | str:
    """A TIMESTAMP, unlike a DATETIME, is a moment; as the session's time zone is the server's unless set, set it to UTC."""
    read = convert_datetime(text)
    return read.replace(tzinfo=UTC) if isinstance(read, datetime) else text


# Where PyMySQL would leave bytes, or lose the time zone.
CONVERSIONS: Any = {
    **conversions,
    FIELD_TYPE.BIT: partial(int.from_bytes, byteorder="big"),
    FIELD_TYPE.TIMESTAMP: _moment,
}


class Session(CONNECTION):  # type: ignore[misc]
    """One connection of PyMySQL in a thread, with a limit to what it receives. `left`: bytes it may still receive."""

    def __init__(self, target: Target, seconds: float, left: int) -> None:
        super().__init__(
            host=target.host or "localhost", port=target.port, user=target.username, database=target.database or None,
            password=target.password.encode(), charset="utf8mb4", conv=CONVERSIONS, autocommit=True, local_infile=False,
            read_timeout=seconds, write_timeout=seconds, program_name="tocsin",
            ssl_disabled=True, defer_connect=True,
        )  # fmt: skip
        self.left = left
        verify = target.mode.startswith("VERIFY")
        self.trusted = bool(target.path) or verify
        self.ssl = target.mode != "DISABLED" and not target.path
        self._ssl_required = self.ssl and target.mode != "PREFERRED"
        self.ctx = tls.context(verify=verify, name=target.mode == "VERIFY_IDENTITY", ca=target.ca)

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in str(self.server_version).lower()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """All rows of a query, by column name. Raises pymysql.MySQLError when the server refuses it."""
        with self.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def some(self, query: str, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and at most so many rows; what the server would still send is left with the connection, which closes."""
        self.query(query, unbuffered=True)
        result = self._result
        rows: list[tuple[Any, ...]] = []
        try:
            while len(rows) < most and (row := result._read_rowdata_packet_unbuffered()) is not None:
                rows.append(row)
        finally:
            if result.unbuffered_active:
                result.unbuffered_active = False
                self._force_close()
        return [str(column[0]) for column in result.description or ()], rows

    def _read_bytes(self, num_bytes: int) -> bytes:
        self.left -= num_bytes
        if self.left < 0:
            self._force_close()
            raise Failed(Kind.PROTOCOL, "it sent more bytes than the limit")
        return bytes(super()._read_bytes(num_bytes))

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        if plugin_name in (b"mysql_clear_password", b"dialog") and not self.trusted:
            raise Failed(Kind.DENIED, "it asks for the password in clear text, which needs ssl-mode=VERIFY_IDENTITY")
        return super()._process_auth(plugin_name, auth_packet, handler)


async def ask(url: str, timeout: float, work: Callable[[Session], T], *, max_bytes: int = LARGEST) -> T:
    """What `work` returns, which is called in a thread with a session in autocommit mode; over before `timeout` seconds are.

    Raises Failed: dns, refused, connect, tls, timeout, blocked, denied (bad password, no such database), protocol (gone, or
    takes nobody now). A query still running at 80 % of the time is killed, and that is Failed(TIMEOUT) too. What the server
    says against a query is pymysql.MySQLError.
    """
    target = parse(url)
    link = _Connection(target, timeout)
    loop = asyncio.get_running_loop()
    timers = (loop.call_later(timeout * QUERY_SHARE, link.kill), loop.call_later(timeout * CLOSE_SHARE, link.close_sockets))
    try:
        return await threads.result(partial(_run, link, work, max_bytes))
    finally:
        for timer in timers:
            timer.cancel()
        link.close_sockets()


class _Connection:
    """The socket under a session, which another thread may shut; and the clock."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target, self.timeout = target, timeout
        now = time.monotonic()
        self.query_deadline, self.deadline = now + timeout * QUERY_SHARE, now + timeout * CLOSE_SHARE
        self.number = 0  # the server's number of the session
        self._closed = False
        self._sockets: list[socket.socket] = []

    @property
    def late(self) -> bool:
        """By the clock: what is killed, by us or by the server's own limit, may answer before our alarm is served."""
        return time.monotonic() >= self.query_deadline

    def left(self) -> float:
        return max(0.01, self.deadline - time.monotonic())

    def keep(self, sock: socket.socket) -> socket.socket:
        """Keep a second handle: TLS takes the first one away from its object."""
        self._sockets.append(sock.dup())
        if self._closed:
            self.close_sockets()
        return sock

    def close_sockets(self) -> None:
        self._closed = True
        with suppress(IndexError):  # two threads may empty it
            while True:
                with self._sockets.pop() as shared, suppress(OSError):
                    shared.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        if self.number:
            threads.start(self._kill)

    def _kill(self) -> None:
        with suppress(Failed, pymysql.MySQLError, OSError, *PROTOCOL_ERRORS), _opened(self, LARGEST) as second:
            second.query(f"kill query {self.number:d}")


def _run(link: _Connection, work: Callable[[Session], T], max_bytes: int) -> T:
    session = _opened(link, max_bytes)
    link.number = session.thread_id()
    try:
        with session:
            found = work(session)
    except pymysql.MySQLError as error:
        if link.late:
            raise _too_long(link) from None
        if code(error) in CONNECTION_LOST:
            raise Failed(Kind.PROTOCOL, "it closed the connection") from None
        raise
    except PROTOCOL_ERRORS:
        raise Failed(Kind.PROTOCOL, "it does not speak the MySQL protocol") from None
    if link.late:  # SLEEP() ends well when it is killed
        raise _too_long(link)
    return found


def _opened(link: _Connection, max_bytes: int) -> Session:
    target = link.target
    try:
        session = Session(target, link.left(), max_bytes)
        try:
            session.connect(link.keep(_connected(target, link)))
        except BaseException:
            session._force_close()  # PyMySQL closes the socket it was given, which after TLS is not the one it uses
            raise
    except pymysql.MySQLError as error:
        raise (_no_session(link) if link.late else _refusal(target, error)) from None
    except OSError as error:
        raise Failed(Kind.TLS, f"ssl-ca: {os.strerror(error.errno or 0)}") from None
    except PROTOCOL_ERRORS:
        raise Failed(Kind.PROTOCOL, "it does not speak the MySQL protocol") from None
    return session


def _connected(target: Target, link: _Connection) -> socket.socket:
    if target.path:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(link.left())
        try:
            sock.connect(target.path)
        except OSError as error:
            sock.close()
            raise Failed(Kind.REFUSED, f"{target.path}: {error.strerror or 'no response'}") from None
        return sock
    last: Failed | None = None
    for endpoint, seconds in in_turn(resolve_now(target.host, target.port, link.left()), link.deadline):
        try:
            return socket.create_connection((endpoint.address, endpoint.port), max(0.01, seconds))
        except TimeoutError:
            last = Failed(Kind.TIMEOUT, f"{endpoint} did not accept a connection in time")
        except OSError as error:
            last = connect_failure(endpoint, error)
    assert last is not None
    raise last


def code(error: pymysql.MySQLError) -> int:
    """The server's or the client's number of an error; 0 when there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def error_text(error: pymysql.MySQLError) -> str:
    """The first line of the server's error message, without its number."""
    return str(error.args[-1] if error.args else error).strip().partition("\n")[0][:500]


def _refusal(target: Target, error: pymysql.MySQLError) -> Failed:
    number, cause = code(error), getattr(error, "original_exception", None)
    if isinstance(cause, SSLError):
        return connect_failure(Endpoint(socket.AF_INET, target.host, target.port), cause)
    if number == NO_TLS:
        return Failed(Kind.TLS, "it does not support TLS, which ssl-mode requires")
    if number in CONNECTION_LOST or cause is not None:
        return Failed(Kind.PROTOCOL, "it closed the connection during login")
    if number in UNAVAILABLE:
        return Failed(Kind.PROTOCOL, error_text(error))
    return Failed(Kind.DENIED if number else Kind.PROTOCOL, error_text(error))


def _no_session(link: _Connection) -> Failed:
    return Failed(Kind.TIMEOUT, f"no session established within {link.timeout * QUERY_SHARE:.3g} s")


def _too_long(link: _Connection) -> Failed:
    return Failed(Kind.TIMEOUT, f"the query did not finish within {link.timeout * QUERY_SHARE:.3g} s and was killed")
