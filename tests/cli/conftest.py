"""The command line in this process: the same `main`, its output caught, its exit status kept."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.conftest import CONFIGURATION, RUNBOOK

if TYPE_CHECKING:
    from app.configfile.model import Loaded


@dataclass(frozen=True)
class SignalStatus:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Tocsin = Callable[..., SignalStatus]


@pytest.fixture
def tocsin(clean: None, loaded: "Loaded", capsys: pytest.CaptureFixture[str]) -> Tocsin:
    """Runs `tocsin WORDS` on a database that holds the configuration of the API's tests."""
    from app.cli import main
    from app.configfile.apply import apply
    from app.db import transaction
    from app.people.model import SYSTEM

    with transaction() as db:
        apply(db, loaded, SYSTEM, datetime.now(UTC))

    def run(*words: str) -> SignalStatus:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(words)
        said = capsys.readouterr()
        return SignalStatus(int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def loaded(engine: object) -> "Loaded":
    """The configuration of the API's tests."""
    from app.configfile.load import load_texts

    return load_texts({"all.yaml": CONFIGURATION, "runbooks/shop-down.md": RUNBOOK}, {})
