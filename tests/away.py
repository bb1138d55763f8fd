"""A database that takes nothing, for the sessions that are made from now on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from app.db import engine
from app.settings import settings


@contextmanager
def read_only() -> Iterator[None]:
    """What a standby says, or a primary on its way down."""
    url = settings().libpq
    with psycopg.connect(url, autocommit=True) as session:  # made before: it may write
        session.execute(f"alter database {session.info.dbname} set default_transaction_read_only = on")
        engine().dispose()
        try:
            yield
        finally:
            session.execute("set default_transaction_read_only = off")
            session.execute(f"alter database {session.info.dbname} reset default_transaction_read_only")
            engine().dispose()
