"""The statements about day partitions. A table's name and a day are no parameters: they come from this code alone."""

from collections.abc import Iterable
from datetime import date, timedelta

from sqlalchemy import Connection, text


def has_rest(db: Connection, table: str, day: date) -> bool:
    """Whether rows of this day came while it had no partition."""
    found = text(f"select exists (select 1 from {table}_rest where at >= '{day}' and at < '{day + timedelta(days=1)}')")
    return bool(db.execute(found).scalar_one())


def make_partition(db: Connection, table: str, day: date) -> None:
    """The partition of a day, unless it is there."""
    span = f"from ('{day}') to ('{day + timedelta(days=1)}')"
    db.execute(text(f"create table if not exists {name_of(table, day)} partition of {table} for values {span}"))


def partitions(db: Connection) -> list[str]:
    """The names of every table's partitions."""
    return list(db.scalars(text("select relname from pg_class where relkind = 'r' and relispartition")))


def drop_partitions(db: Connection, names: Iterable[str]) -> None:
    """Drop whole days."""
    for name in names:
        db.execute(text(f"drop table {name}"))


def delete_rest(db: Connection, table: str, before: date) -> None:
    """Drop what came for days without a partition."""
    db.execute(text(f"delete from {table}_rest where at < '{before}'"))


def name_of(table: str, day: date) -> str:
    """What the partition of a day is called."""
    return f"{table}_{day:%Y%m%d}"
