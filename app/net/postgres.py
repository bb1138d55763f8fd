"""Guarded PostgreSQL sessions for probes: resolve, check, connect to what was checked, and end in time whatever hangs."""

import asyncio
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator

from app.failure import Failed, Kind
from app.net.address import refuse_literal
from app.net.guard import refuse
from app.net.resolve import in_turn, resolve

Session = psycopg.AsyncConnection[tuple[Any, ...]]

DEFAULT_SOCKET = "/var/run/postgresql"

# Shares of the time-out: until then the query may run; then it is cancelled; then the connection is torn down.
QUERY_SHARE, CLOSE_SHARE = 0.8, 0.95

# Messages of a server that runs but accepts no session: down, not a configuration error. (Only in English.)
UNAVAILABLE = re.compile(
    r"too many (clients|connections)|connection slots|starting up|shutting down|recovery|not yet accepting|terminating"
)


def database_url(text: str) -> str:
    """The URL, when it is a PostgreSQL one. Raises ValueError that says what is wrong; never quotes the URL."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("not a postgresql:// URL")
    try:
        parameters = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        raise ValueError("not a PostgreSQL URL; write postgresql://USER@HOST:5432/DATABASE") from None
    if "service" in parameters:
        raise ValueError("service files are not supported; put host and database in the URL")
    for host in _listed(parameters.get("host")) + _listed(parameters.get("hostaddr")):
        refuse_literal(host)
    return text


DatabaseUrl = Annotated[str, AfterValidator(database_url)]


@asynccontextmanager
async def session(url: str, timeout: float) -> AsyncIterator[Session]:
    """A session in autocommit mode that is over, whatever hangs, before `timeout` seconds are.

    Raises Failed: dns, refused, connect, timeout, blocked, denied (bad password, no such database), protocol (gone, or takes
    nobody now). A query that is still running at 80 % of the time is cancelled, and that is Failed(TIMEOUT) too.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    connection = await _connect(url, timeout * QUERY_SHARE)
    deadline = _Deadline(connection)
    timers = (
        loop.call_at(start + timeout * QUERY_SHARE, deadline.cancel),
        loop.call_at(start + timeout * CLOSE_SHARE, deadline.close_socket),
    )
    try:
        yield connection
    except psycopg.errors.QueryCanceled:
        if not deadline.passed:  # the server's own statement_timeout
            raise
        raise _too_long(timeout) from None
    except psycopg.OperationalError as error:
        if deadline.passed:
            raise _too_long(timeout) from None
        if connection.closed:
            raise Failed(Kind.PROTOCOL, f"connection lost: {_error_text(error)}") from None
        raise
    finally:
        for timer in timers:
            timer.cancel()
        await deadline.stop()
        await connection.close()


class _Deadline:
    """Ends a session that takes too long: asks the server to cancel, and then closes the socket under it."""

    def __init__(self, connection: Session) -> None:
        self.connection = connection
        self.passed = False
        self._cancelling: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        self.passed = True
        self._cancelling = asyncio.get_running_loop().create_task(self._cancel())

    def close_socket(self) -> None:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.connection.fileno())) as shared:
            shared.shutdown(socket.SHUT_RDWR)

    async def stop(self) -> None:
        if self._cancelling is not None:
            self._cancelling.cancel()
            with suppress(asyncio.CancelledError):
                await self._cancelling

    async def _cancel(self) -> None:
        with suppress(psycopg.Error, OSError):
            await self.connection.cancel_safe(timeout=5)


async def _connect(url: str, timeout: float) -> Session:
    try:
        async with asyncio.timeout(timeout):
            return await _first(await _checked(conninfo_to_dict(url), timeout), time.monotonic() + timeout)
    except TimeoutError:
        raise Failed(Kind.TIMEOUT, f"no session established within {timeout:.3g} s") from None
    except psycopg.OperationalError as error:
        raise _connect_failure(_error_text(error)) from None
    except psycopg.Error as error:
        raise Failed(Kind.PROTOCOL, _error_text(error)) from None


async def _first(targets: list[dict[str, Any]], end: float) -> Session:
    """A session at the first target that accepts one. Raises the last target's error."""
    last: Exception = TimeoutError()
    for parameters, seconds in in_turn(targets, end):
        try:
            async with asyncio.timeout(seconds):
                return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
        except (TimeoutError, psycopg.OperationalError) as error:
            last = error
    raise last


async def _checked(parameters: dict[str, Any], timeout: float) -> list[dict[str, Any]]:
    """The parameters of each place to try, every name resolved and every address checked."""
    hosts = _listed(parameters.get("host")) or [os.environ.get("PGHOST") or DEFAULT_SOCKET]
    fixed = _listed(parameters.get("hostaddr"))
    ports = _listed(parameters.get("port")) or [os.environ.get("PGPORT") or "5432"]
    if len(ports) == 1:
        ports *= len(hosts)
    rows: list[tuple[str, str, str]] = []
    for index, (host, port) in enumerate(zip(hosts, ports, strict=False)):
        if host.startswith(("/", "@")):
            rows.append((host, "", port))
        elif index < len(fixed) and fixed[index]:
            refuse(fixed[index])
            rows.append((host, fixed[index], port))
        else:
            rows += [(host, found.address, port) for found in await resolve(host, int(port), timeout)]
    common = {"application_name": "tocsin", **parameters, "client_encoding": "utf8"}
    return [{**common, "host": host, "hostaddr": address, "port": port} for host, address, port in rows]


def _listed(value: str | int | None) -> list[str]:
    return str(value).split(",") if value else []


def _connect_failure(error: str) -> Failed:
    if "FATAL" in error:
        return Failed(
            Kind.PROTOCOL if UNAVAILABLE.search(error) else Kind.DENIED, error.partition("FATAL:")[2].strip() or error
        )
    if "refused" in error or "No such file" in error:
        return Failed(Kind.REFUSED, error)
    return Failed(Kind.CONNECT, error)


def _error_text(error: psycopg.Error) -> str:
    """The first line, without libpq's advice."""
    return str(error).strip().partition("\n")[0].removeprefix("connection failed: ").removeprefix("connection is bad: ")


def _too_long(timeout: float) -> Failed:
    return Failed(Kind.TIMEOUT, f"the query did not finish within {timeout * QUERY_SHARE:.3g} s and was cancelled")
