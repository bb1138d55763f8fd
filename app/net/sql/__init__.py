"""One reading query on a PostgreSQL, MySQL or SQLite database, by the scheme of its URL; nothing in it can write.

Each kind of database has a module with `url(text)`, which judges one when it is read, `quoted(name)`, which makes an identifier
by the database's own rules, and `ask(url, query, limits)`, which raises Failed whatever goes wrong and ends in time.
"""

from types import ModuleType
from typing import Annotated

from pydantic import AfterValidator

from app.net.sql import mysql, postgres, sqlite
from app.net.sql.answer import Answer, Limits

__all__ = ["Answer", "Limits", "SqlUrl", "ask", "quoted"]

KINDS: dict[str, ModuleType] = {
    "postgresql": postgres,
    "postgres": postgres,
    "mysql": mysql,
    "mariadb": mysql,
    "sqlite": sqlite,
}


def sql_url(text: str) -> str:
    """The URL, when it is one of a database that can be asked. Raises ValueError; never quotes the URL."""
    kind = KINDS.get(text.partition("://")[0])
    if kind is None:
        raise ValueError("not a postgresql://, mysql://, mariadb:// or sqlite:// URL")
    return str(kind.url(text))


SqlUrl = Annotated[str, AfterValidator(sql_url)]


async def ask(url: str, query: str, limits: Limits) -> Answer:
    """What one reading statement answers. Raises Failed, also for a query that writes, runs long or answers too much."""
    found: Answer = await KINDS[url.partition("://")[0]].ask(url, query, limits)
    return found


def quoted(url: str, name: str, *, whole: bool = False) -> str:
    """A name as an identifier of that database, whatever signs it holds; `schema.table` is two, unless it is one as a whole."""
    parts = [name] if whole else name.split(".")
    return ".".join(KINDS[url.partition("://")[0]].quoted(part) for part in parts)
