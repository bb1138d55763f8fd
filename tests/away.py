"""What the system does to us: a database that takes nothing, a disk without room."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

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


def disk_with(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every disk has so many bytes left, as the system says it."""
    real, block = os.statvfs, 4096

    def asked(path: int | str | Path) -> os.statvfs_result:
        found = real(path)
        return os.statvfs_result((block, block, 1 << 40, free // block, free // block, *found[5:]))

    monkeypatch.setattr(os, "statvfs", asked)
