"""No page, list, sweep or stage reads a table that grows from end to end, or most of it in vain."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from tests.web.conftest import RUNBOOK, Site, begin, raise_alert
from tests.web.filled import GROWING, fill
from tests.web.test_photographs import EXAMPLE, PAGES

MOST = 2_500  # rows that a statement may read of one such table
EACH = 3  # sets of parameters of one statement that are tried
READING = r"\s*(select|with|update|delete|insert[^;]*\bselect)\b"
# Tables of which a statement that has these words may read more, and why.
ALLOWED = {
    ("alert incident", " ILIKE "): "a word may be anywhere in a text; only the extension pg_trgm has an index for that",
    ("alert incident incident_event page", "width_bucket("): "analytics counts what its range has",
    (
        "incident",
        "FROM incident GROUP BY incident.service",
    ): "the list of all incidents says how many there are of each service",
    (
        "alert",
        "FROM alert \nWHERE alert.labels @>",
    ): "newest first: the planner prefers that order unless it knows a label as rare",
    ("sample rollup_5m", "date_bin("): "a roll-up reads all of the slice of time that it writes",
    ("alert audit", " order by id limit %(limit)s"): "retention looks at one slice of the oldest rows",
    # It expects 100 values, and takes the index from about 15,000 incidents on.
    ("incident", "from jsonb_to_recordset(cast("): "a batch is joined with all incidents while they are few",
}


# Where a parameter of an address stands for something.
PLACES = {"number": "1", "login": "ada", "n": "1", "id": "1"}
FILTERS = {
    "/incidents": [
        "?state=triggered",
        "?state=resolved&service=s3",
        "?team=t3&order=worst",
        "?severity=critical",
        "?cursor=4000",
    ],
    "/alerts": ["?state=firing", "?state=resolved", "?cursor=9000", "?state=firing&service=s3", "?match=host=h7"],
    "/pages": ["?incident=9", "?user=ada", "?state=queued", "?state=failed", "?cursor=9000"],
    "/obligations": ["?state=open", "?state=breached", "?state=met"],
    "/audit": ["?object=incident:9", "?cursor=9000"],
}

pytestmark = pytest.mark.xdist_group("plans")  # one process fills, and copies for the next


@dataclass
class Statements:
    """What was asked of the database."""

    found: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def asked(self, _: object, __: object, statement: str, parameters: Any, ___: object, many: bool) -> None:
        known = self.found.setdefault(statement, [])
        values = parameters[0] if many and isinstance(parameters, list | tuple) and parameters else parameters
        if len(known) < EACH and values not in known:
            known.append(values)


@pytest.fixture
def filled(clean: None, engine: Engine, server: str) -> Iterator[Site]:
    """An admin's browser on a Tocsin that has run for a year."""
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.upkeep import make_partitions

    def year(_: Site) -> None:
        now = datetime.now(UTC)
        with transaction() as db:
            apply(db, load_texts({"all.yaml": EXAMPLE, "runbooks/shop-down.md": RUNBOOK}, {}), SYSTEM, now)
            make_partitions(db, now)
        for summary in ("first", "second", "third"):
            raise_alert(summary)
        with transaction() as db:
            fill(db)

    made = begin(engine, "year", Site(server), year)
    with psycopg.connect(url(), autocommit=True) as session:  # as autovacuum does from time to time
        session.execute(f"vacuum analyze {', '.join(GROWING)}")
    yield made.as_("root")
    with engine.begin() as db:
        db.exec_driver_sql(f"truncate {', '.join(GROWING)}")


@pytest.fixture
def statements(filled: Site, engine: Engine) -> Iterator[Statements]:
    """What is asked from now on."""
    made = Statements()
    event.listen(engine, "before_cursor_execute", made.asked)
    yield made
    event.remove(engine, "before_cursor_execute", made.asked)


@dataclass(frozen=True)
class Read:
    """A table, or an index of it, that a statement read."""

    table: str
    how: str
    rows: int


def reads(node: Mapping[str, Any], parents: Mapping[str, str]) -> Iterator[Read]:
    """Each reading of a table that grows in a plan, as EXPLAIN (ANALYZE, FORMAT JSON) has it."""
    table = parents.get(node.get("Relation Name", ""), node.get("Relation Name"))
    if table in GROWING and "Scan" in node["Node Type"]:
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = round((node["Actual Rows"] + removed) * node["Actual Loops"]) if "Actual Rows" in node else node["Plan Rows"]
        yield Read(str(table), f"{node['Node Type']} {node.get('Index Name', '')} {node.get('Filter', '')}", rows)
    for part in node.get("Plans", ()):
        yield from reads(part, parents)


def allowed(table: str, statement: str) -> bool:
    return any(table in tables.split() and words in statement for tables, words in ALLOWED)


def explained(db: psycopg.Connection, how: str, statement: str, values: Any) -> Mapping[str, Any]:
    """The plan of a statement, which changes nothing."""
    with db.transaction(force_rollback=True):
        (plan,) = db.execute(f"explain ({how}, format json) {statement}", values).fetchone() or ()
    found: Mapping[str, Any] = plan[0]["Plan"]
    return found


def wrong(statements: Statements, url: str) -> list[str]:
    """What reads too much."""
    found = []
    with psycopg.connect(url, options="-c timezone=UTC") as db:
        parents: dict[str, str] = dict(
            db.execute("select inhrelid::regclass::text, inhparent::regclass::text from pg_inherits").fetchall()
        )
        for statement, sets in list(statements.found.items()):
            if not re.match(READING, statement, re.IGNORECASE) or "pg_terminate" in statement:
                continue
            for values in sets:
                try:
                    plan = explained(db, "analyze, timing off", statement, values)
                except psycopg.errors.IntegrityError:  # it was done already, and cannot be done again
                    plan = explained(db, "analyze off", statement, values)
                read = list(reads(plan, parents))
                found += [
                    f"{one.rows} rows of {one.table}: {one.how}\n{statement.strip()}"
                    for one in read
                    if one.rows > MOST and not allowed(one.table, statement)
                ]
    return sorted(set(found))


def url() -> str:
    from app.settings import settings

    return settings().libpq


def test_no_console_page_reads_a_growing_table_from_end_to_end(filled: Site, statements: Statements) -> None:
    more = [
        "/incidents?q=zebra",
        "/incidents?service=s3",
        "/incidents?q=host=h7",
        "/incidents?q=env=prod",
        "/search?q=h7",
        "/admin/audit?actor=bo",
        "/metrics",
    ]
    for path in [*PAGES.values(), *more]:
        filled.session.get(filled.url + path, timeout=20)
    assert (found := wrong(statements, url())) == [], "\n\n".join(found)


def test_no_list_of_the_api_reads_a_growing_table_from_end_to_end(filled: Site, statements: Statements) -> None:
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.people.service import make_token

    with transaction() as db:
        token = make_token(db, "root", "plans", SYSTEM, datetime.now(UTC))
    filled.session.headers["Authorization"] = f"Bearer {token}"
    known = filled.session.get(f"{filled.url}/api/openapi.json", timeout=20).json()["paths"]
    for path, of_it in known.items():
        if "get" in of_it and path.startswith("/api/v1"):
            where = re.sub(r"{(\w+)}", lambda name: PLACES.get(name[1], "web"), path)
            for query in ["", *FILTERS.get(path.removeprefix("/api/v1"), [])]:
                answer = filled.session.get(f"{filled.url}{where}{query}", timeout=20)
                assert answer.status_code in (200, 404, 422), (where + query, answer.text)
    assert (found := wrong(statements, url())) == [], "\n\n".join(found)


def test_no_stage_and_no_sweep_reads_a_growing_table_from_end_to_end(filled: Site, statements: Statements) -> None:
    from app import clock, deliver, line, measure, upkeep
    from app.alerts import service as alerts
    from app.catalog.model import Severity
    from app.db import transaction
    from app.queues import CHECKS
    from app.signals.model import Signal, SignalStatus

    def whole(act: Callable[..., object]) -> None:
        with transaction() as db:
            act(db, clock.now(db))

    another = Signal("integration:year", "another", SignalStatus.FIRING, "another", Severity.CRITICAL, service="s3")
    whole(lambda db, now: alerts.accept(db, [another], now))
    stages: list[Callable[[], object]] = [
        lambda: line.dispatch([str(family) for family in CHECKS]), line.evaluate, line.dedup, line.escalate, line.arm,
        line.notify, line.look_for_workers, line.free_frozen, line.tick, deliver.free_orphans, measure.pull_in,
        lambda: whole(upkeep.make_partitions), lambda: whole(upkeep.drop_old), lambda: whole(upkeep.roll_up),
        upkeep.sign_of_life, upkeep.drop_old_signals, upkeep.drop_old_incidents, upkeep.drop_old_alerts,
        upkeep.drop_old_pages, upkeep.drop_old_audit,
    ]  # fmt: skip
    for stage in stages:
        stage()
    filled.post("/incidents/1/acknowledge")
    filled.post("/incidents/1/resolve")
    line.dedup()
    assert (found := wrong(statements, url())) == [], "\n\n".join(found)
