"""How tests are written: they patch no code of ours, and wait for something that happens instead of for seconds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.every import every
from tests.house.test_house import parsed

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))
every_file = every("path", FILES)

SYSTEM = {"os", "psutil", "socket"}  # what answers there is not our code: the kernel, the resolver, a disk
PATCHES = {"setattr", "delattr", "setitem", "delitem", "patch", "patch.object", "patch.dict"}
# Who is slow by a fixed time, because that slowness is what the test is about.
SLOW = {
    "api/test_slow_clients.py": "clients that send piece by piece",
    "bench": "windows of time in which something is counted",
    "net/test_datagram.py": "a process that is busy, and a kernel that begins to stamp a moment later",
    "net/test_http_bounds.py": "a server that takes its time with each redirect",
    "net/test_http_once.py": "a connection that lies idle",
    "notify/test_email.py": "a mail server that takes its time",
    "probes/test_http.py": "a server that stumbles once",
    "receiver.py": "a provider that takes its time",
}


def ours(tree: ast.Module) -> set[str]:
    """The names that a file has from our code."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("app", "tasks"):
            found |= {one.asname or one.name for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {one.asname or "app" for one in node.names if one.name.partition(".")[0] in ("app", "tasks")}
    return found


def patches(tree: ast.Module) -> Iterator[str]:
    """Where a file puts something else into the place of our code."""
    own = ours(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).removeprefix("monkeypatch.").removeprefix("mock.")
            if name in PATCHES and (not node.args or ast.unparse(node.args[0]) not in SYSTEM):
                yield ast.unparse(node)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            for target in [node.target] if isinstance(node, ast.AugAssign) else node.targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in own:
                    yield ast.unparse(node)


def fixed_sleeps(tree: ast.AST, polling: bool = False) -> Iterator[str]:
    """Waits for seconds that no condition ends: a `while` ends by its own, and no seconds only give others a turn."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and not polling and _sleeps(node):
            yield ast.unparse(node)
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from fixed_sleeps(node, isinstance(node, ast.While) or (polling and not inner))


def _sleeps(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    long = not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
    return long and (name.rpartition(".")[2] == "sleep" or name.endswith("Event().wait"))


@every_file
def test_no_test_patches_our_code(path: Path) -> None:
    assert list(patches(parsed(path))) == []


@every_file
def test_no_test_waits_for_a_fixed_time(path: Path) -> None:
    here = str(path.relative_to(TESTS))
    assert here in SLOW or here.partition("/")[0] in SLOW or list(fixed_sleeps(parsed(path))) == []


def test_each_slow_one_is_there_and_slow() -> None:
    for name in SLOW:
        files = [one for one in FILES if str(one.relative_to(TESTS)) == name or one.is_relative_to(TESTS / name)]
        assert any(list(fixed_sleeps(parsed(one))) for one in files), name


@pytest.mark.parametrize(
    "code",
    [
        "from app import line\nmonkeypatch.setattr(line, 'LIMIT', 3)",
        "monkeypatch.setattr('app.line.LIMIT', 3)",
        "from app.supervisor import linger\nmonkeypatch.setattr(linger.os, 'kill', print)",
        "import sys\nmonkeypatch.setitem(sys.modules, 'tasks.health.tcp', None)",
        "from app import line\nsetattr(line, 'LIMIT', 3)",
        "from app import line as stages\nstages.LIMIT = 3",
        "import app.line\ndel app.LIMIT",
        "from unittest import mock",
        "with patch('app.line.dedup'): pass",
    ],
)
def test_a_patch_is_found(code: str) -> None:
    assert list(patches(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(1)",
        "from time import sleep\nsleep(seconds)",
        "async def story():\n    await asyncio.sleep(0.5)",
        "for _ in range(3):\n    time.sleep(0.5)",
        "while not done():\n    def wait(): time.sleep(2)",
        "threading.Event().wait(2)",
    ],
)
def test_a_fixed_sleep_is_found(code: str) -> None:
    assert list(fixed_sleeps(ast.parse(code)))


def test_what_is_no_patch_and_no_fixed_sleep_passes() -> None:
    fine = "monkeypatch.setattr(os, 'statvfs', full)\nmonkeypatch.setenv('TOCSIN_PORT', '1')\nself.now = 3"
    assert list(patches(ast.parse(fine))) == []
    assert list(fixed_sleeps(ast.parse("while not done():\n    time.sleep(0.02)\nawait asyncio.sleep(0)"))) == []
