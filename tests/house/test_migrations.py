"""What an older release decided keeps its words when the database comes to this one, and when it goes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text

from app import migrations
from app.reason import loaded
from app.wording import because

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
