"""The statements about runs on demand."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, text

from app.checks.demand.model import AskedRun, Try
from app.checks.table import check_run

_ANSWER = text("""
update check_run c set result = r.result, done_at = :now
from json_to_recordset(cast(:rows as json)) as r(name text, result json)
where c.batch = :batch and c.check_name = r.name and c.done_at is null
""")


def ask(
    db: Connection, batch: str, names: Sequence[str], task_id: str, by: str | None, now: datetime, spec: str | None
) -> None:
    """Note that somebody wants these checks run now, by one task. spec: of a try, sealed."""
    shared = {"batch": batch, "task_id": task_id, "asked_by": by, "asked_at": now, "spec": spec}
    db.execute(insert(check_run), [{"check_name": name, **shared} for name in names])


def answer(db: Connection, batch: str, results: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Give results back, by check."""
    rows = [{"name": name, "result": dict(result)} for name, result in results.items()]
    db.execute(_ANSWER, {"batch": batch, "rows": orjson.dumps(rows).decode(), "now": now})


def tried(db: Connection, batch: str) -> Try | None:
    """The try of this batch that has no answer yet."""
    query = select(check_run.c.check_name, check_run.c.spec).where(
        check_run.c.batch == batch, check_run.c.spec.is_not(None), check_run.c.done_at.is_(None)
    )
    row = db.execute(query).first()
    return Try(name=row.check_name, spec=row.spec) if row else None


def runs(db: Connection, batch: str) -> list[AskedRun]:
    """Every run of a batch, by name."""
    columns = [check_run.c[name] for name in ("task_id", "asked_at", "asked_by", "done_at", "result")]
    query = select(check_run.c.check_name.label("name"), *columns, check_run.c.spec.is_not(None).label("tried"))
    rows = db.execute(query.where(check_run.c.batch == batch).order_by(check_run.c.check_name)).mappings()
    return [AskedRun(**row) for row in rows]


def delete_old(db: Connection, before: datetime) -> None:
    """Drop the runs that were asked for before that."""
    db.execute(delete(check_run).where(check_run.c.asked_at < before))
