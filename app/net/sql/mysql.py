"""One reading query on MySQL or MariaDB: READ ONLY, one statement that starts as a question, a user who may only read."""

import re
from collections.abc import Iterator
from functools import partial

import pymysql

from app.failure import Failed, Kind
from app.net import mysql
from app.net.mysql import QUERY_SHARE, Session, error_text
from app.net.mysql import mysql_url as url
from app.net.sql.answer import Answer, Limits, refused, too_large, too_many

__all__ = ["ask", "quoted", "url"]

# Procedures and compound statements may commit and go on writing, SET STATEMENT takes the time limit away: only questions.
QUESTION = re.compile(r"[\s(]*(select|with|values|table)\b", re.IGNORECASE)

# Everything else writes, reads files, ends sessions, sees other people's queries or hands rights on.
HARMLESS = frozenset({
    "USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "EXECUTE", "REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR",
    "REPLICA MONITOR", "SHOW_ROUTINE",
})  # fmt: skip
GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?:(?:TABLE|FUNCTION|PROCEDURE|PACKAGE|PACKAGE BODY) )?\S+ TO ", re.DOTALL)
COLUMNS = re.compile(r"\s*\((?:`(?:[^`]|``)*`|[^()`])*\)")

HEADROOM = 16_384  # bytes for the names of columns
NO_SUCH_FUNCTION = 1305  # no such function: a server without roles


async def ask(url: str, query: str, limits: Limits) -> Answer:
    """See `app.net.sql.ask`."""
    if not QUESTION.match(query):
        raise refused("it must start with select, with, values or table")
    try:
        return await mysql.ask(url, limits.seconds, partial(_answer, query=query, limits=limits))
    except pymysql.MySQLError as error:
        raise refused(error_text(error)) from None


def quoted(name: str) -> str:
    """An identifier by MySQL's rules."""
    return "`" + name.replace("`", "``") + "`"


def _answer(session: Session, query: str, limits: Limits) -> Answer:
    _check_privileges(session)
    for statement in _limit_statements(session.is_mariadb, limits.seconds * QUERY_SHARE):
        session.query(statement)
    if limits.utc:
        session.query("set session time_zone = '+00:00'")
    session.left = limits.max_bytes + HEADROOM
    try:
        names, rows = session.some(query, limits.max_rows + 1)
    except Failed:
        if session.left < 0:
            raise too_large(limits) from None
        raise
    if len(rows) > limits.max_rows:
        raise too_many(limits)
    return Answer(names, list(rows))


def _limit_statements(mariadb: bool, seconds: float) -> Iterator[str]:
    whole_seconds = max(1, round(seconds))
    yield f"set session max_statement_time = {seconds:.3f}" if mariadb else f"set max_execution_time = {seconds * 1000:.0f}"
    yield f"set session lock_wait_timeout = {whole_seconds}, innodb_lock_wait_timeout = {whole_seconds}"
    yield "set session transaction read only"  # also for what would follow a commit
    yield "start transaction read only"


def _check_privileges(session: Session) -> None:
    dangerous = sorted(right for line in _grants(session) for right in _rights(line) if right not in HARMLESS)
    if dangerous:
        raise Failed(
            Kind.BLOCKED,
            f"the user has dangerous privileges ({', '.join(dangerous[:5])}); create one that can only read: "
            "create user watch identified by 'PASSWORD'; grant select on DATABASE.* to watch",
        )


def _grants(session: Session) -> list[str]:
    """What the user may do, by own right and by active roles, which MariaDB lists unasked."""
    roles = ""
    if not session.is_mariadb:
        try:
            roles = str(session.some("select current_role()", 1)[1][0][0] or "NONE")
        except pymysql.MySQLError as error:
            if mysql.code(error) != NO_SUCH_FUNCTION:
                raise
    using = f" for current_user() using {roles}" if roles not in ("", "NONE") else ""
    return [str(row[0]) for row in session.some(f"show grants{using}", 10_000)[1]]


def _rights(line: str) -> list[str]:
    """The rights in one line of SHOW GRANTS; a line that gives a role gives none, its rights stand in lines of their own."""
    match = GRANT.match(line)
    if match is None:
        return []
    rights = COLUMNS.sub("", match["rights"]).split(", ")
    return rights + ["GRANT OPTION"] * line.endswith("WITH GRANT OPTION")
