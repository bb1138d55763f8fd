"""One reading query on PostgreSQL: READ ONLY from its first statement, one statement, a role without dangerous rights."""

import psycopg

from app.failure import Failed, Kind
from app.net.postgres import QUERY_SHARE, Session, session
from app.net.postgres import database_url as url
from app.net.sql.answer import Answer, Limits, Rows, refused

__all__ = ["ask", "quoted", "url"]

# Rights with which a function call harms although the transaction is READ ONLY: run programs, write files, end sessions.
# COPY ... TO PROGRAM ran a shell in a READ ONLY transaction here, as superuser.
RIGHTS = """
select me.rolname, session_user <> current_user as disguised,
       case when me.rolsuper then array['superuser']
            else array_remove(array[case when me.rolcreaterole then 'createrole' end,
                                    case when me.rolreplication then 'replication' end], null)
              || array(select rolname::text from pg_roles
                        where rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
                                          'pg_signal_backend', 'pg_write_all_data')
                          and pg_has_role(me.oid, oid, 'member')) end as dangerous
  from pg_roles me where me.rolname = session_user
"""

# The first statement of the transaction: after it nothing can make the transaction writable any more.
LIMITS_QUERY = """
select 1, set_config('statement_timeout', %(ms)s, true), set_config('lock_timeout', %(ms)s, true),
       set_config('idle_in_transaction_session_timeout', %(ms)s, true)
"""


async def ask(url: str, query: str, limits: Limits) -> Answer:
    """See `app.net.sql.ask`."""
    try:
        async with session(url, limits.seconds) as database:
            await _check_privileges(database)
            await database.set_autocommit(False)
            await database.set_read_only(True)
            await database.execute(LIMITS_QUERY, {"ms": str(max(1, int(limits.seconds * QUERY_SHARE * 1000)))})
            return await _answer(database, query, limits)
    except (psycopg.Error, UnicodeError) as error:
        raise refused(str(error).strip().partition("\n")[0]) from None


def quoted(name: str) -> str:
    """An identifier by PostgreSQL's rules."""
    return '"' + name.replace('"', '""') + '"'


async def _check_privileges(database: Session) -> None:
    row = await (await database.execute(RIGHTS)).fetchone()
    name, changed_role, dangerous = row or ("?", True, [])
    if dangerous or changed_role:
        what = ", ".join(dangerous) or "another identity"
        raise Failed(
            Kind.BLOCKED,
            f'role "{name}" has dangerous privileges ({what}); create one that can only read: '
            "create role watch login; grant pg_read_all_data to watch",
        )


async def _answer(database: Session, query: str, limits: Limits) -> Answer:
    """One row at a time from the server. The extended protocol takes one statement only."""
    rows = Rows(limits)
    async with database.cursor() as cursor:
        stream = cursor.stream(query.encode())
        try:
            async for row in stream:
                result = cursor.pgresult
                assert result is not None
                rows.add(row, sum(len(result.get_value(0, column) or b"") for column in range(result.nfields)))
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # a generator; cancels what still runs
        return Answer([column.name for column in cursor.description or ()], rows.rows)
