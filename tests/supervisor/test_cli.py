"""The commands: names, exit statuses, and how little they import."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.stack import commands
from app.errors import Unavailable
from app.settings import settings
from app.supervisor.control import must_be_free
from tests.supervisor.conftest import ROOT


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("TOCSIN_DATABASE_URL", raising=False)
    monkeypatch.delenv("TOCSIN_BROKER_URL", raising=False)
    settings.cache_clear()
    yield tmp_path / "none"
    monkeypatch.undo()
    settings.cache_clear()


def test_status_of_nothing_is_no(empty_home: Path) -> None:
    said = CliRunner().invoke(commands, ["status", "--json"])
    assert said.exit_code == 1
    assert json.loads(said.stdout)["ready"] is False


def test_status_for_people_says_unwatched(empty_home: Path) -> None:
    said = CliRunner().invoke(commands, ["status"])
    assert said.exit_code == 1
    assert "not ready" in said.stdout
    assert "UNWATCHED" in said.stdout


def test_down_of_nothing_makes_nothing(empty_home: Path) -> None:
    said = CliRunner().invoke(commands, ["down"])
    assert (said.exit_code, said.stdout) == (0, "the stack is not running\n")
    assert not empty_home.exists()


@pytest.mark.parametrize("name", ["up", "down", "status", "flower"])
def test_every_command_has_help(name: str) -> None:
    said = CliRunner().invoke(commands, [name, "--help"])
    assert said.exit_code == 0


def test_a_taken_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        with pytest.raises(Unavailable, match="is in use: free it, or set TOCSIN_PORT"):
            must_be_free("TOCSIN_PORT", "127.0.0.1", line.getsockname()[1])


@pytest.mark.parametrize(
    "module, unwanted",
    [
        ("app.cli.stack", ("sqlalchemy", "celery", "redis", "flower", "fastapi", "structlog")),
        ("app.supervisor.keeper", ("sqlalchemy", "celery", "redis", "pydantic", "typer", "structlog")),
    ],
)
def test_it_imports_next_to_nothing(module: str, unwanted: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
