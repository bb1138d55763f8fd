"""Somebody's own file in `tasks/security/`: known everywhere once workers restart; a broken one breaks only itself."""

import json
import shutil
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT, Stack, running, until

CONFIG = """
routes: []
checks:
  own: {probe: health.tcp, every: 1s, with: {host: 127.0.0.1, port: 1}, alert: off}
"""
MORE = """
checks:
  NAME: {probe: security.NAME, every: 1s, with: {word: knock}, alert: off}
"""
OUTSIDER = '''"""Says a word, as an example.

Metrics: `letters`, how many it has. Critical: never.
"""

from app.checks.probe import Field, Reading, Run, Spec, Status, probe


class Word(Spec):
    """What is said."""

    word: str = Field(description="the outsider's word")


@probe()
def measure(spec: Word, run: Run) -> Reading:
    return Reading(Status.OK, f"said {spec.word}", {"letters": len(spec.word)})
'''
BROKEN = {  # file -> what it holds, what is said of it
    "syntax": ("def measure(:\n", "tasks/security/syntax.py:1: SyntaxError: "),
    "nothing": ('"""Nothing."""\n', "tasks/security/nothing.py: it has no `measure` declared with @probe()"),
    "imports": ("import no_such_thing\n", "tasks/security/imports.py:1: ModuleNotFoundError: No module named 'no_such_thing'"),
    "exits": ("import sys\n\nsys.exit(3)\n", "tasks/security/exits.py:3: SystemExit: 3"),
    "key": ('{}["x"]\n', "tasks/security/key.py:1: KeyError: 'x'"),
    "spec": (OUTSIDER.replace("spec: Word", "spec: int"), "tasks/security/spec.py:"),
    "schema": (OUTSIDER.replace("word: str", "word: type"), "tasks/security/schema.py: Word has no schema: "),
}

pytestmark = pytest.mark.xdist_group("slow_stack")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of Tocsin's code with a folder of tasks of its own, so that nothing is ever dropped into the real one."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "tasks", tree / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app", "beat_schedule.py"):
        (tree / name).symlink_to(ROOT / name)
    drop(tree, "outsider", OUTSIDER)
    with running(CONFIG, tree) as stack:
        yield stack


def drop(tree: Path, name: str, text: str) -> None:
    (tree / "tasks/security" / f"{name}.py").write_text(text)


def declare(stack: Stack, name: str) -> None:
    """A check of the same name as its probe."""
    (Path(stack.environ["TOCSIN_CONFIG"]) / f"{name}.yaml").write_text(MORE.replace("NAME", name))
    stack.tocsin("config", "apply")


def check(stack: Stack, name: str) -> dict[str, Any]:
    rows = json.loads(stack.tocsin("checks", "list", "--json").stdout)["items"]
    return next((row for row in rows if row["name"] == name), {})


def registered(stack: Stack) -> set[str]:
    """What Flower calls the registered tasks of all workers."""
    password = (stack.home / "flower-password").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.environ['TOCSIN_FLOWER_PORT']}/api/workers?refresh=1",
        headers={"Authorization": f"Basic {b64encode(f'admin:{password}'.encode()).decode()}"},
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        workers = json.loads(answer.read())
    return {task for one in workers.values() for task in one.get("registered", ())}


@pytest.mark.timeout(180)
def test_a_dropped_in_probe_is_everywhere_after_a_start_and_runs(stack: Stack) -> None:
    declare(stack, "outsider")
    assert "the outsider's word" in stack.tocsin("config", "schema").stdout
    assert "### security.outsider\n\nSays a word, as an example." in stack.tocsin("reference").stdout
    assert "outsider: ok" in stack.tocsin("checks", "run", "outsider").stdout
    shown = until(lambda: (row := check(stack, "outsider")).get("status") and row, 20)
    assert (shown["probe"], shown["queue"], shown["message"]) == ("security.outsider", "security", "said knock")
    assert shown["metrics"]["letters"] == 5
    assert until(lambda: "security.outsider" in registered(stack), 20)


@pytest.mark.timeout(180)
def test_one_worker_process_that_starts_anew_knows_it_and_broken_ones_break_nothing(stack: Stack) -> None:
    drop(stack.root, "newcomer", OUTSIDER.replace("outsider's", "newcomer's"))
    for name, (text, _) in BROKEN.items():
        drop(stack.root, name, text)
    before = stack.pid("worker-checks")
    stack.kill("worker-checks")
    until(lambda: stack.pid("worker-checks") not in (0, before), 20)
    declare(stack, "newcomer")  # the console was not restarted; it knows it as well
    assert until(lambda: stack.call("POST", "/api/v1/checks/newcomer/run")[1], 20)["message"] == "said knock"
    ran = check(stack, "own")["at"]
    until(lambda: check(stack, "own")["at"] > ran, 20)
    said = {words[-1]: stack.tocsin(*words) for words in (("config", "check"), ("config", "schema"), ("reference",))}
    for words in ("schema", "reference"):
        warnings = said[words].stderr.splitlines()
        assert len(warnings) == len(BROKEN), said[words].stderr
        for _, why in BROKEN.values():
            assert any(why in line for line in warnings), why
    assert "### health.tcp" in said["reference"].stdout
    assert "the newcomer's word" in said["schema"].stdout
    tried = stack.tocsin("checks", "try", "security.syntax", check=False)
    assert (tried.returncode, "syntax.py:1: SyntaxError" in tried.stderr, "Traceback" in tried.stderr) == (2, True, False)
    assert stack.call("GET", "/api/v1/checks")[0] == 200
    log = (stack.home / "log/tocsin.log").read_text()
    assert "probe_not_loaded" in log
    assert "syntax.py:1: SyntaxError" in log
