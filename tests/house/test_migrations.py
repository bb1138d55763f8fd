"""What an older release decided keeps its words when the database comes to this one, and when it goes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text

from app import migrations
from app.reason import Code, Reason, loaded, revived
from app.wording import because, texts
from app.wording import text as words

INSERTS = (
    "insert into standing values ('r', '{}', 'c', 'firing', true, null, null, '{}', 9, 'last m 9 > 5', now())",
    "insert into standing values ('s', '{}', 'c', 'ok', false, null, null, '{}', null, '', now())",
    "insert into heartbeat (name, uuid, slug, origin, spec, zone, state, cause, because, created_at) values ('nightly',"
    " gen_random_uuid(), 'nightly', 'config', '{}', 'UTC', 'down', 'failed', 'it ended with exit status 3', now())",
    *(
        "insert into alert (fingerprint, source, key, alertname, state, severity, summary, labels, annotations, links,"
        f" because, reason, starts_at, seen_at) values ('{n}', 'rule:r', '{n}', 'r', 'resolved', 'error', 's', '{{}}', '{{}}',"
        f" '[]', 'last m 9 > 5', '{reason}', now(), now())"
        for n, reason in enumerate(("removed", "paused", "resolved by ada", ""))
    ),
)


@pytest.fixture
def older(engine: Engine) -> Iterator[Connection]:
    """A database as the release before made it, and in a transaction that is rolled back."""
    admin = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    name = f"{engine.url.database}_older"
    with admin.connect() as db:
        db.execute(text(f"create database {name}"))
    own = create_engine(engine.url.set(database=name))
    with own.connect() as db:
        yield db
    own.dispose()
    with admin.connect() as db:
        db.execute(text(f"drop database {name}"))
    admin.dispose()


WATCH = """
create table watched (allowed text);
create function watch() returns trigger language plpgsql as
  $$ begin insert into watched values (current_setting('statement_timeout')); return new; end $$;
create trigger watch before update on alembic_version for each row execute function watch();
"""


def test_no_statement_of_a_migration_is_cut_off_however_long_it_takes(older: Connection) -> None:
    go(older, "0013")
    older.exec_driver_sql(WATCH)
    older.commit()
    migrations.upgrade(older.engine.url.render_as_string(hide_password=False))
    assert set(older.scalars(text("select allowed from watched"))) == {"0"}


def go(db: Connection, revision: str, *, back: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = db
    (command.downgrade if back else command.upgrade)(config, revision)


def test_reasons_of_older_rows_keep_their_words(older: Connection) -> None:
    go(older, "0007")
    for statement in INSERTS:
        older.execute(text(statement.replace(":", r"\:")))
    go(older, "0010")
    found = {row.rule: loaded(row.reasons) for row in older.execute(text("select rule, reasons from series_state"))}
    assert {rule: because(reasons) for rule, reasons in found.items()} == {"r": "last m 9 > 5", "s": ""}
    assert because(loaded(older.scalar(text("select reasons from heartbeat")))) == "it ended with exit status 3"
    rows = older.execute(text("select reasons, end_reasons from alert order by id")).all()
    assert {because(loaded(row.reasons)) for row in rows} == {"last m 9 > 5"}
    assert [because(loaded(row.end_reasons)) for row in rows] == ["removed", "paused", "resolved by ada", ""]
    assert [one["code"] for row in rows for one in row.end_reasons] == ["removed", "heartbeat_paused", "recorded"]
    go(older, "0007", back=True)
    assert older.scalar(text("select because from standing where rule = 'r'")) == "last m 9 > 5"
    assert older.scalars(text("select reason from alert order by id")).all()[1:] == ["heartbeat_paused", "resolved by ada", ""]


ROUTED = "number, group_key, title, state, severity, urgency, labels, opened_at"
LATER = (
    f"insert into incident ({ROUTED}) overriding system value values (1, 'g', 't', 'resolved', 'error', 'high', '{{}}', now())",
    f"insert into incident ({ROUTED}, acknowledged_at, snoozed_until) overriding system value"
    " values (2, 'h', 't', 'triggered', 'error', 'high', '{}', now(), now(), now())",
    "insert into incident_event (incident, at, kind, text) values (1, now(), 'opened', 'x opened it: s')",
    "insert into obligation (incident, generation, round, step, target, made_at, reason)"
    " values (1, 1, 0, 1, 'user:ada', now(), 'hook took it'), (1, 1, 0, 2, 'user:bo', now(), '')",
    "insert into escalation values (1, 1, 0, 0, null, 'step', 'stopped', 'resolved')",
    "insert into page (key, kind, incident, generation, round, channel, reason, made_at, due_at, next_at, expires_at)"
    " values ('a', 'page', 1, 1, 1007, 'hook', 'nobody was reached', now(), now(), now(), now())",
)


def test_what_pages_and_steps_said_keeps_its_words_and_incidents_that_no_move_leads_to_are_put_right(older: Connection) -> None:
    go(older, "0010")
    for statement in LATER:
        older.execute(text(statement.replace(":", r"\:")))
    go(older, "0011")
    page = older.execute(text("select reasons, breached, round from page")).one()
    assert (texts(loaded(page.reasons)), page.breached, page.round) == ("nobody was reached", 7, 0)
    said = older.scalars(text("select reason from obligation order by id")).all()
    assert [texts(loaded([one])) if one else None for one in said] == ["hook took it", None]
    assert texts(loaded([older.scalar(text("select reason from escalation"))])) == "resolved"
    assert older.scalar(text("select text from incident_event")) == "x opened it: s"
    rows = older.execute(text("select resolved_at is null, acknowledged_at, snoozed_until from incident order by number")).all()
    assert rows == [(False, None, None), (True, None, None)]
    go(older, "0010", back=True)
    assert older.scalars(text("select reason from obligation order by id")).all() == ["hook took it", ""]
    assert older.execute(text("select reason from page")).scalar_one() == "nobody was reached"


STATES = "insert into check_state (name, probe, family, queue, every, next_due_at, status, message) values"
RESULTS = {
    "elsewhere": ("unknown", "not on this host: there is no systemd journal"),
    "both": ("unknown", "prober offline: none of 2 reference targets answers (a:443, http://b/); the check said: timeout"),
    "one": ("unknown", "prober offline: the reference target a:443 does not answer; the check said: it does not answer"),
    "well": ("ok", "not on this host: a message that a target chose"),
    "blind": ("unknown", "permission denied"),
}


def test_results_that_said_nothing_of_their_target_say_so_by_a_code(older: Connection) -> None:
    go(older, "0011")
    for name, (status, message) in RESULTS.items():
        row = {"name": name, "status": status, "message": message}
        older.execute(text(f"{STATES} (:name, 'health.tcp', 'health', 'health', 1000, now(), :status, :message)"), row)
    go(older, "0012")
    rows = older.execute(text("select name, message, reason from check_state")).all()
    assert {row.name: row.message for row in rows} == {name: message for name, (_, message) in RESULTS.items()}
    found = {row.name: revived(row.reason) for row in rows}
    assert found["well"] is found["blind"] is None
    assert found["elsewhere"] is not None
    assert words(found["elsewhere"]) == RESULTS["elsewhere"][1]
    assert found["both"] == Reason(Code.REFERENCES_SILENT, {"references": ["a:443", "http://b/"]})
    assert found["one"] == Reason(Code.REFERENCES_SILENT, {"references": ["a:443"]})
    go(older, "0011", back=True)
    assert older.scalar(text("select message from check_state where name = 'well'")) == RESULTS["well"][1]
