"""One reading query on a SQLite file: opened read-only, and everything but reading and harmless functions forbidden."""

import asyncio
import sqlite3
import stat
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from app.concurrency import threads
from app.failure import Failed, Kind
from app.net.sql.answer import Answer, Limits, Rows, refused

QUERY_SHARE, GIVE_UP = 0.8, 0.95  # shares of the time-out: until then a query may run; then the file itself is held to hang
STEPS = 1_000  # of SQLite's machine between two looks at the clock
LONGEST_PATTERN = 1_000  # bytes of a LIKE or GLOB; a match is one step, however long it takes

# Every function that only computes. Source: SQLite's lists of core, date, aggregate, window, JSON and math functions;
# left out are load_extension, and whatever a program that made the file may have added.
HARMLESS = frozenset(
    """
    abs changes char coalesce concat concat_ws format glob hex ifnull iif instr length like likelihood likely lower ltrim max
    min nullif octet_length printf quote random replace round rtrim sign soundex substr substring total_changes trim typeof
    unhex unicode unlikely upper zeroblob
    current_date current_time current_timestamp date datetime julianday strftime time timediff unixepoch
    avg count group_concat median percentile string_agg sum total
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
    json json_array json_array_length json_error_position json_extract json_group_array json_group_object json_object json_quote
    json_type json_valid json_each json_tree -> ->>
    acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power radians
    sin sinh sqrt tan tanh trunc
    """.split()  # noqa: SIM905 - a page of quotation marks
)
READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})

MESSAGES = {
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database",
    sqlite3.SQLITE_BUSY: "it is locked by another process",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; a database in WAL mode needs its -wal and -shm files, or a writable folder",
    sqlite3.SQLITE_TOOBIG: "a value or the query is too long",
    sqlite3.SQLITE_AUTH: "only read queries are allowed",
    sqlite3.SQLITE_READONLY: "it cannot be changed from here; only read queries are allowed",
}


def url(text: str) -> str:
    """The URL, when it is a SQLite one: `sqlite:////absolute/path`. Raises ValueError."""
    path = text.removeprefix("sqlite:///")
    if path == text or not path.startswith("/") or set("?#\0") & set(path):
        raise ValueError("not a SQLite URL; write sqlite:////absolute/path (four slashes; ? and # as %3F and %23)")
    return text


async def ask(url: str, query: str, limits: Limits) -> Answer:
    """See `app.net.sql.ask`."""
    path = Path(unquote(url.removeprefix("sqlite:///")))
    try:
        async with asyncio.timeout(limits.seconds * GIVE_UP):
            return await threads.result(partial(_answer, path, query, limits))
    except TimeoutError:
        raise Failed(Kind.TIMEOUT, f"{path} hangs: no response within {limits.seconds * GIVE_UP:.3g} s") from None


def quoted(name: str) -> str:
    """An identifier; SQLite takes a name in double quotes that no column has for a text, but not one in these."""
    return "`" + name.replace("`", "``") + "`"


def _answer(path: Path, query: str, limits: Limits) -> Answer:
    end = time.monotonic() + limits.seconds * QUERY_SHARE
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise Failed(Kind.OTHER, f"{path} is not a file")
        database = _opened(path, limits, end)
    except OSError as error:
        raise Failed(Kind.OTHER, f"{path}: {error.strerror}") from None
    try:
        return _rows(database.execute(query), limits)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        if time.monotonic() >= end and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            raise Failed(Kind.TIMEOUT, f"the query did not finish within {limits.seconds * QUERY_SHARE:.3g} s") from None
        raise _failure(path, error) from None
    finally:
        database.close()


def _opened(path: Path, limits: Limits, end: float) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=limits.seconds * QUERY_SHARE)
    database.text_factory = partial(str, encoding="utf-8", errors="replace")
    database.execute("pragma trusted_schema = off")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(limits.max_bytes, 30_000))  # not below a query's length
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN)
    database.set_progress_handler(lambda: time.monotonic() >= end, STEPS)
    database.set_authorizer(_permits)
    return database


def _permits(action: int, _first: str | None, second: str | None, *_where: str | None) -> int:
    if action in READS or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in HARMLESS):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _rows(cursor: sqlite3.Cursor, limits: Limits) -> Answer:
    rows = Rows(limits)
    for row in cursor:
        rows.add(row, sum(map(_size, row)))
    return Answer([column[0] for column in cursor.description or ()], rows.rows)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else 8


def _failure(path: Path, error: Exception) -> Failed:
    number = getattr(error, "sqlite_errorcode", 0)
    message = MESSAGES.get(number & 0xFF)
    if message and "not authorized to use function" not in str(error):
        return Failed(Kind.OTHER, f"{path}: {message}")
    return refused(str(error))
