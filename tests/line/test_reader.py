"""What the role `tocsin_reader` may see is enough for the checks that are shipped."""

import psycopg

from app.checks.model import Check
from app.checks.own import own_reader
from app.configfile.load import load
from app.db import transaction
from app.reader.store import let_read
from tests import shipped


def test_every_shipped_question_to_our_own_database_is_answered_to_its_reader(clean: None) -> None:
    loaded = load(shipped.folder(), {})
    assert loaded.config is not None
    checks = loaded.config.of("check", Check).values()
    asked = [str(one.with_["query"]) for one in checks if one.probe == "business.sql" and "url" not in one.with_]
    assert asked
    with transaction() as db:
        let_read(db)  # as `tocsin up` does
    with psycopg.connect(own_reader()) as reader:
        for query in asked:
            assert reader.execute(query.encode()).fetchone()
