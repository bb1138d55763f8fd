"""The command as a process: it starts quickly, and the processes of the stack say that they live and end when told to."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.stack import until

COMMAND = (sys.executable, "-m", "app.cli")


def test_help_imports_no_database_and_no_web_server() -> None:
    code = "import sys; from app.cli import build; build(None); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "celery", "fastapi", "uvicorn", "psycopg", "pydantic"} & set(loaded)


def test_exit_status_of_the_process() -> None:
    for words, status in ((["--help"], 0), (["nonsense"], 2), ([], 2)):
        assert subprocess.run([*COMMAND, *words], capture_output=True).returncode == status


@pytest.mark.parametrize(
    "words, kind", [(["pager"], "pager"), (["beat"], "beat"), (["worker", "-Q", "security", "-c", "1"], "worker")]
)
def test_a_process_says_that_it_lives_and_takes_it_back(clean: None, words: list[str], kind: str) -> None:
    from app import beats
    from app.db import transaction

    def seen() -> list[beats.Seen]:
        with transaction() as db:
            return [one for one in beats.seen(db) if one.kind == kind and one.alive]

    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE) as process:
        try:
            (one,) = until(seen, 30)
            assert one.name.split(":")[1] == str(process.pid)
            if kind == "worker":
                assert one.detail == {"queues": ["security"]}
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
        finally:
            process.kill()
    assert seen() == []


def test_web_serves_and_ends_quickly(clean: None) -> None:
    import requests

    environ = {**os.environ, "TOCSIN_PORT": "18999"}
    with subprocess.Popen([*COMMAND, "web"], stderr=subprocess.PIPE, env=environ) as process:
        try:

            def alive() -> bool:
                try:
                    return requests.get("http://127.0.0.1:18999/healthz", timeout=1).ok
                except requests.ConnectionError:
                    return False

            until(alive, 30)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            assert time.monotonic() - began < 4
        finally:
            process.kill()
