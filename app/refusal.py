"""Why a database or broker did not serve us: one line without secrets, and whether waiting may help.

PostgreSQL gives no SQLSTATE for a session it refuses, so its words count. Words nobody here knows (of a translated server, say)
count as passing: they are said, and tried on.
"""

import re
from collections.abc import Iterator

from app.errors import Unavailable, Unusable
from app.secret import without_urls

# SQLSTATE classes and codes after the log-in: bad authorization, no such database, a right that is missing.
FINAL_STATES = ("28", "3D", "42501")
# The server's own words, and a pooler's.
FINAL_MESSAGES = re.compile(
    r"authentication failed|(role|user|database) .* does not exist|no pg_hba\.conf entry|pg_hba\.conf rejects|permission denied"
    r"|not permitted to log in|no such (user|database)|unsupported (startup|frontend)|unrecognized configuration parameter"
    r"|invalid value for parameter|password authentication is not",
)
# What the client library says before or instead of the server.
FINAL_ERRORS = re.compile(
    r"no password supplied|certificate verify failed|does not support SSL|SSL was required|certificate file .* does not exist"
    r"|private key file|root certificate|invalid (sslmode|integer value|connection option|URI|percent-encoded|port)"
    r"|invalid response to SSL|expected authentication request|authentication method .* not supported|missing \"=\""
    r"|server certificate for .* does not match",
    re.IGNORECASE,
)
UNDEFINED_TABLE = "42P01"
NOT_SET_UP = "the database is not set up yet; run `tocsin up`"
BROKER_FINAL = re.compile(
    r"authentication|WRONGPASS|NOAUTH|NOPERM|invalid username-password|DB index|Database is int"
    r"|ACCESS_REFUSED|NOT_ALLOWED|vhost .* not found|certificate verify failed|wrong version number|Protocol Error",
    re.IGNORECASE,
)


def database(error: BaseException) -> Unavailable:
    """What a failed session, or a statement refused for a missing right, means: Unusable where waiting does not help."""
    cause = _cause(error)
    lines = list(_lines(cause))
    state = str(getattr(cause, "sqlstate", None) or "")
    final = next((line for line in lines if _is_final(line)), None)
    if final is None and state.startswith(FINAL_STATES):
        final = lines[0]
    if final is None:
        return Unavailable(f"the database does not respond: {lines[0]}")
    return Unusable(f"the database refused the connection: {_short(final)}; check TOCSIN_DATABASE_URL and the server")


def broker(error: BaseException) -> Unavailable:
    """What a failed session with the broker means: Unusable where waiting does not help."""
    cause = error.__cause__ or error
    line = next(_lines(cause))
    if BROKER_FINAL.search(f"{type(cause).__name__} {line}"):
        return Unusable(f"the broker refused the connection: {line}; check TOCSIN_BROKER_URL and the server")
    return Unavailable(f"the broker does not respond: {line}")


def is_right_missing(error: BaseException) -> bool:
    """Whether a statement failed for a reason that the log-in should have shown: no such database, no right."""
    return str(getattr(_cause(error), "sqlstate", None) or "").startswith(FINAL_STATES)


def is_not_set_up(error: BaseException) -> bool:
    """Whether a statement failed because nobody has made the tables yet."""
    return getattr(_cause(error), "sqlstate", None) == UNDEFINED_TABLE


def first_line(error: BaseException) -> str:
    """What the database said, in one line without secrets."""
    return next(_lines(_cause(error)))


def _cause(error: BaseException) -> BaseException:
    """The driver's error below SQLAlchemy's."""
    return getattr(error, "orig", None) or error


def _is_final(line: str) -> bool:
    known = FINAL_MESSAGES if "FATAL:" in line else FINAL_ERRORS
    return known.search(line) is not None


def _lines(cause: BaseException) -> Iterator[str]:
    """What was said, without libpq's advice; a server with two addresses has a line for each."""
    found = [line.strip() for line in without_urls(str(cause)).splitlines() if line.strip() and not line.startswith("\t")]
    for line in found or [type(cause).__name__]:
        yield line.removeprefix("connection failed: ").removeprefix("connection is bad: ")


def _short(line: str) -> str:
    return " ".join(line.partition("FATAL:")[2].split()) or line
