"""`tocsin up` puts the configuration in force, or keeps the last good one and says why."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import configfile
from app.catalog import store as catalog
from app.db import transaction
from app.errors import Unusable
from app.settings import settings


@pytest.fixture
def folder(clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration folder of this process; the database is empty before and after."""
    monkeypatch.setenv("TOCSIN_CONFIG", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def in_force() -> list[str]:
    with transaction() as db:
        return list(catalog.services(db))


def test_a_right_folder_is_in_force_without_a_word(folder: Path) -> None:
    (folder / "a.yaml").write_text("services: {web: {}}")
    assert configfile.boot() == []
    assert configfile.boot() == []
    assert in_force() == ["web"]


def test_a_wrong_folder_keeps_the_last_good_version_and_says_so(folder: Path) -> None:
    (folder / "a.yaml").write_text("services: {web: {}}")
    configfile.boot()
    (folder / "a.yaml").write_text("services: {shop: {teir: low}}")
    first, last = configfile.boot()
    assert first == f'{folder}/a.yaml:1: unknown key "teir" in service "shop" (did you mean "tier"?)'
    assert re.match(r"configuration version \d+, the last good one, stays active", last)
    assert in_force() == ["web"]


def test_a_folder_that_is_not_there_ends_the_first_start_and_no_later_one(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(Unusable, match=f"cannot read the configuration folder {folder}"):
        configfile.boot()
    folder.mkdir()
    (folder / "a.yaml").write_text("services: {web: {}}")
    configfile.boot()
    (folder / "a.yaml").unlink()
    folder.rmdir()
    first, last = configfile.boot()
    assert first.startswith(f"cannot read the configuration folder {folder}")
    assert re.match(r"configuration version \d+, the last good one, stays active", last)
    folder.mkdir()
