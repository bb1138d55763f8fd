"""What many tests begin with, made once in each test process and put back from copies of its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text

T = TypeVar("T")
COPIES = "snapshot"  # the schema that holds them
_TABLES = """
select c.relname, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname not in ('alembic_version', 'uptime')  -- which a server keeps by itself
group by c.relname
"""
_REFERENCES = """
select conrelid::regclass::text, confrelid::regclass::text from pg_constraint where contype = 'f' and conrelid <> confrelid
"""
_SEQUENCES = "select sequencename, last_value from pg_sequences where schemaname = 'public' and last_value is not null"


@dataclass(frozen=True)
class _Copy:
    statement: str
    value: Any


_copies: dict[str, _Copy] = {}


def begin(engine: Engine, name: str, make: Callable[[], T]) -> T:
    """Fill the empty database as `make` does, and return what `make` returned when it ran, once in this process."""
    with engine.begin() as db:
        if found := _copies.get(name):
            db.execute(text(found.statement))
            value: T = found.value
            return value
    made = make()
    with engine.begin() as db:
        _copies[name] = _Copy(_kept(db, name), made)
    return made


def _kept(db: Connection, name: str) -> str:
    """Copy every row; the statement that puts them back, what others refer to first."""
    db.execute(text(f"create schema if not exists {COPIES}"))
    back = []
    all_columns: dict[str, str] = {one.relname: one.columns for one in db.execute(text(_TABLES))}
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(all_columns, ()))
    for table, referred in db.execute(text(_REFERENCES)).all():
        if table in all_columns:
            order.add(table, referred)
    for table in order.static_order():
        columns = all_columns[table]
        if db.scalar(text(f"select exists (select from {table})")):
            copy = f'{COPIES}."{name}_{table}"'
            db.execute(text(f"drop table if exists {copy}; create table {copy} as select {columns} from {table}"))
            back.append(f"insert into {table} ({columns}) overriding system value select * from {copy}")
    for sequence, value in db.execute(text(_SEQUENCES)).all():
        if not sequence.startswith("config_version"):  # versions count on, see `clean`
            back.append(f"select setval('{sequence}', {value})")
    return "; ".join(back)
