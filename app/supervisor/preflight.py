"""What a start needs and can be asked before it: database, broker, certificate, ports.

Each raises Unusable for what waiting does not change. What may pass (a server that refuses, a name that is not known yet) is
returned as one line: it is said, and tried on.
"""

import errno
import ssl
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from app import refusal
from app.errors import Unavailable, Unusable
from app.net.listening import listening
from app.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

OLDEST = 15  # PostgreSQL's major version
SECONDS = 3  # for one server

Port = tuple[str, str, int]  # the variable that changes it, host, port


def servers(settings: Settings, database: bool = True, broker: bool = True) -> list[str]:
    """Ask the servers that are not ours to start; what is not there yet."""
    asked = ((database and not settings.embedded_database, _database), (broker and not settings.embedded_broker, _broker))
    said = []
    for wanted, ask in asked:
        try:
            if wanted:
                ask(settings)
        except Unusable:
            raise
        except Unavailable as error:
            said.append(str(error))
    return said


def certificate(settings: Settings) -> None:
    """Load TOCSIN_TLS_CERT and TOCSIN_TLS_KEY as the console will."""
    if settings.tls_cert is None and settings.tls_key is None:
        return
    for name, other in (("tls_cert", "TOCSIN_TLS_KEY"), ("tls_key", "TOCSIN_TLS_CERT")):
        path = getattr(settings, name)
        variable = f"TOCSIN_{name.upper()}"
        if path is None:
            raise Unusable(f"{other} is set but {variable} is not; HTTPS needs both")
        try:
            path.read_bytes()
        except OSError as error:
            raise Unusable(
                f"{variable}={path}: {(error.strerror or str(error)).lower()}; check the path and its mode"
            ) from error
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_passphrase)  # type: ignore[arg-type]
    except (ssl.SSLError, ValueError) as error:
        raise Unusable(f"TOCSIN_TLS_CERT={settings.tls_cert}, TOCSIN_TLS_KEY={settings.tls_key}: {_tls(error)}") from error


def console_port(settings: Settings) -> Port:
    """Where the console listens."""
    return "TOCSIN_PORT", settings.host, settings.port


def flower_port(settings: Settings) -> Port:
    """Where Flower listens."""
    return "TOCSIN_FLOWER_PORT", "127.0.0.1", settings.flower_port


def must_be_free(name: str, host: str, port: int) -> None:
    """Raise Unusable when the port is somebody else's; `name` is the variable that changes it."""
    must_all_be_free((name, host, port))


def must_all_be_free(*ports: Port) -> None:
    """Raise Unusable when a port is somebody else's, or two of these are one; the variable that moves it is named."""
    with ExitStack() as bound:
        taken: dict[int, str] = {}
        for name, host, port in ports:
            try:
                _listen(host, port, bound)
            except OSError as error:
                used = error.errno == errno.EADDRINUSE
                why = "is in use" if used else f"is not available ({error.strerror or error})"
                why = f"is also set in {taken[port]}" if port in taken else why
                other = "TOCSIN_HOST or " if name == "TOCSIN_PORT" else ""
                fix = f"free it, or set {name}" if used else f"set {other}{name}"
                raise Unusable(f"port {port} of {host} {why}: {fix}") from error
            taken[port] = name


def redis_client(url: str, seconds: float = 1) -> "Redis[Any]":
    """A client for a broker's URL that gives up soon and tries once."""
    from urllib.parse import parse_qs, unquote, urlsplit

    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    limits: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": Retry(NoBackoff(), 0)}
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return Redis.from_url(url, **limits)
    number = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/") or "0"
    password = unquote(parts.password) if parts.password else None
    return Redis(unix_socket_path=parts.path, db=int(number), password=password, **limits)


def _database(settings: Settings) -> None:
    import psycopg

    from app.migrations import must_be_known

    try:
        with psycopg.connect(settings.libpq, connect_timeout=SECONDS, client_encoding="utf8") as db:
            if db.info.server_version < OLDEST * 10_000:
                raise Unusable(f"the database is PostgreSQL {db.info.server_version // 10_000}; Tocsin needs {OLDEST} or newer")
            # A database that was never set up; the role of a worker elsewhere, which may not look.
            with suppress(psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
                row = db.execute("select version_num from alembic_version").fetchone()
                must_be_known(row[0] if row else None)
    except psycopg.Error as error:
        raise refusal.database(error) from error


def _broker(settings: Settings) -> None:
    import urllib.parse

    scheme = urllib.parse.urlsplit(settings.broker).scheme
    try:
        if scheme in ("redis", "rediss", "redis+socket") and ";" not in settings.broker:
            with redis_client(settings.broker, SECONDS) as client:
                client.ping()
        elif scheme.endswith(("amqp", "amqps")):
            _amqp(settings.broker)
    except Exception as error:  # every client has its own kinds
        raise refusal.broker(error) from error


def _amqp(url: str) -> None:
    from kombu.connection import Connection

    with Connection(url, connect_timeout=SECONDS, transport_options={"read_timeout": SECONDS}) as broker:
        broker.transport.establish_connection().close()  # not `connect`, which would try for a while


def _listen(host: str, port: int, bound: ExitStack) -> None:
    """Listen on every address that a server on `host` would take, until `bound` ends."""
    for sock in listening(host, port, 1):
        bound.enter_context(sock)


def _no_passphrase() -> str:
    raise ValueError("the key is protected by a passphrase; store it without one")


def _tls(error: Exception) -> str:
    if "KEY_VALUES_MISMATCH" in str(error):
        return "the key does not match the certificate"
    if any(word in str(error) for word in ("PEM", "NO_START_LINE", "no start line")):
        return "not a PEM certificate chain with its key"
    return str(error)
