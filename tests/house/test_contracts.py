"""What import-linter cannot see of the contracts in pyproject.toml: which names a module takes, and what it calls."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.every import every
from tests.house.test_house import ROOT, SOURCES, parsed

every_source = every("path", SOURCES)


def imports(tree: ast.AST) -> Iterator[str]:
    """What is imported, a dotted name each: `from app import line` is `app.line`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)


def within(name: str, modules: set[str]) -> bool:
    """Whether a dotted name is one of these modules or lies in one."""
    parts = name.split(".")
    return any(".".join(parts[:length]) in modules for length in range(1, len(parts) + 1))


def contract(id_: str) -> dict[str, list[str]]:
    """One of import-linter's contracts."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found: dict[str, list[str]] = next(one for one in contracts if one["id"] == id_)
    return found


def dotted(path: Path) -> str:
    """A file's name as a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


# Tasks.

IN_APP = {"deliver", "line", "measure", "upkeep"}  # what the pager calls too
HANDS_ON = {"transaction", "clock.now", "instant", "hint", "list", "self.name.partition"}
KNOWS = {f"app.{name}" for name in (*IN_APP, "celery", "clock", "db.transaction", "plugins", "queues")}
DECIDES = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.If, ast.IfExp, ast.Lambda, ast.Match, ast.NamedExpr, ast.Raise, ast.Try,
    ast.TryStar, ast.UnaryOp, ast.While, ast.comprehension,
)  # fmt: skip


def deciding(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """What a task does besides calling stages and handing on. A loop may hand on what a stage gave, and nothing else."""
    found = [node for statement in function.body for node in ast.walk(statement)]
    calls = [ast.unparse(node.func) for node in found if isinstance(node, ast.Call)]
    others = [name for name in calls if name not in HANDS_ON and name.partition(".")[0] not in IN_APP]
    loops = [node for node in found if isinstance(node, ast.For | ast.AsyncFor)]
    others += [ast.unparse(node) for node in loops if not all(map(hints, node.body))]
    return others + [ast.unparse(node) for node in found if isinstance(node, DECIDES)]


def hints(statement: ast.stmt) -> bool:
    """Whether a statement is one call of `hint`."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) == "hint"


DOORWAYS = sorted((ROOT / "tasks").glob("*.py"))
every_doorway = every("path", DOORWAYS)


@every_doorway
def test_a_task_is_a_doorway(path: Path) -> None:
    """What is decided is decided in a stage, for both doorways. tests/journeys compares what they decide, story by story."""
    for function in ast.walk(parsed(path)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            reads_a_time = (path.name, function.name) == ("line.py", "instant")
            assert reads_a_time or deciding(function) == [], function.name


@pytest.mark.parametrize(
    "body",
    [
        "service.advance(db, now)",
        "line.dedup() if late > 3 else None",
        "line.dedup() if at else line.escalate()",
        "if at: line.dedup()\n    else: line.escalate()",
        "at and line.dedup()",
        "for _ in range(3): line.dedup()",
        "for one in line.dispatch(): line.dedup()",
        "for one in line.dispatch():\n        hint(one)\n        line.dedup()",
        "while line.dedup(): pass",
        "match at:\n        case None: line.dedup()",
    ],
)
def test_a_task_that_decides_is_found(body: str) -> None:
    (function,) = ast.parse(f"def escalate(at):\n    {body}").body
    assert isinstance(function, ast.FunctionDef)
    assert deciding(function)


def strangers(tree: ast.AST) -> set[str]:
    """Of Tocsin, what a task's module takes beside the stages and what hands on; and what it calls by another name."""
    aliased = {
        f"{one.name} as {one.asname}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if one.asname
    }
    return aliased | {name for name in imports(tree) if name.startswith("app") and not within(name, KNOWS)}


@every_doorway
def test_a_task_knows_stages_only(path: Path) -> None:
    assert strangers(parsed(path)) == set()


@pytest.mark.parametrize(
    "text",
    [
        "from app.alerts import service",
        "from app.alerts import service as line",
        "import app.incidents.store",
        "from app.db import engine",
    ],
)
def test_a_task_that_goes_round_its_stage_is_found(text: str) -> None:
    assert strangers(ast.parse(text))


# Probes.

PROBES = sorted((ROOT / "tasks").glob("*/*.py"))
FOR_PROBES = {f"app.checks.{name}" for name in ("broker", "limits", "own", "probe", "promql")} | {
    "app.concurrency.threads", "app.failure", "app.host", "app.net",
}  # fmt: skip


def beyond_a_probe(tree: ast.AST) -> set[str]:
    """Of Tocsin, what a probe has no business with."""
    ours = {name for name in imports(tree) if name.partition(".")[0] in ("app", "tasks")}
    return {name for name in ours if not within(name, FOR_PROBES)}


@every("path", PROBES)
def test_a_probe_knows_what_a_probe_is_the_network_and_this_machine(path: Path) -> None:
    assert beyond_a_probe(parsed(path)) == set()


@pytest.mark.parametrize(
    "text", ["from app.alerts.service import accept", "from app import line", "import app.db", "from app.checks import store"]
)
def test_a_probe_that_knows_a_stage_is_found(text: str) -> None:
    assert beyond_a_probe(ast.parse(text))


# Pure modules.

IMPURE = {*(contract("pure")["forbidden_modules"])} - {"socket"} | {
    "ctypes", "fcntl", "fileinput", "importlib.resources", "io.FileIO", "io.open", "linecache", "mmap", "platform", "pwd",
    "urllib.request", "uuid", "itsdangerous.timed", "itsdangerous.TimedSerializer", "itsdangerous.TimestampSigner",
    "itsdangerous.URLSafeTimedSerializer",
}  # fmt: skip
TYPES = {"uuid.UUID"}
READS = {"now", "today", "utcnow", "getenv", "urandom", "read_text", "read_bytes", "write_text", "write_bytes"}  # as methods
BUILT_IN = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
FLOATS = {"sys.float_info", "sys.maxsize"}  # of sys, what is the same at every call


def impure(tree: ast.AST) -> list[str]:
    """Where a module reads a clock, the environment, a file or chance, or writes. It may log."""
    found = [name for name in imports(tree) if within(name, IMPURE) and name not in TYPES]
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        owner = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
        if (
            (isinstance(called, ast.Attribute) and called.attr in READS)
            or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in BUILT_IN)
            or (isinstance(node, ast.Attribute) and owner.endswith(("date", "datetime")) and node.attr in READS)
            or (isinstance(node, ast.Attribute) and owner == "sys" and f"sys.{node.attr}" not in FLOATS)
        ):
            found.append(ast.unparse(node))
    return found


PURE_ROOMS = set(contract("pure")["source_modules"]) - {"app.**.model"}
PURE = [path for path in SOURCES if path.name == "model.py" or within(dotted(path), PURE_ROOMS)]


@every("path", PURE)
def test_what_is_pure_reads_no_clock_no_environment_no_file_and_no_chance(path: Path) -> None:
    assert impure(parsed(path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import UTC, datetime\ndatetime.now(UTC)", "import datetime as d\nd.date.today()",
        "import time\ntime.time()", "from time import monotonic", "import os\nos.environ['X']", "from os import environ",
        "from datetime import datetime\nfield(default_factory=datetime.now)", "from pathlib import Path",
        "open('x')", "read = open",
        "from io import open", "import random", "import secrets", "import uuid", "import sys\nsys.argv", "import threading",
        "from urllib.request import urlopen", "from itsdangerous import URLSafeTimedSerializer",
    ],
)  # fmt: skip
def test_what_is_not_pure_is_found(text: str) -> None:
    assert impure(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    ["from datetime import date, time", "from uuid import UUID", "from io import StringIO", "import sys\nsys.float_info"],
)
def test_what_is_pure_is_let_be(text: str) -> None:
    assert impure(ast.parse(text)) == []


def test_what_says_that_it_is_pure_is_held_to_it() -> None:
    said = {
        dotted(path)
        for path in SOURCES
        if path.name != "model.py" and re.search(r"\bPure\b", ast.get_docstring(parsed(path)) or "")
    }
    assert said == PURE_ROOMS


# Statements.

# Sessions of their own, which no pool can lend: two that listen for as long as they live, and a look before anything is set up.
LISTENERS = {"app/pager.py", "app/web/live.py", "app/supervisor/preflight.py"}
DRIVERS = {"exec_driver_sql", "raw_connection", "driver_connection", "dbapi_connection"}  # SQLAlchemy's ways to a bare text


def stray_statements(tree: ast.AST, psycopg: bool) -> list[str]:
    """Where a module that is no store could write a statement. psycopg: whether it may use the driver."""
    allowed = {"sqlalchemy.Connection", "sqlalchemy.exc"} | ({"psycopg"} if psycopg else set())
    named = [name for name in imports(tree) if name.partition(".")[0] in ("sqlalchemy", "psycopg")]
    bare = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in DRIVERS]
    return [name for name in named if not within(name, allowed)] + bare


@every_source
def test_statements_live_in_stores(path: Path) -> None:
    """Elsewhere SQLAlchemy gives a connection's type and its errors. Probes ask other people's databases, through psycopg."""
    here = str(path.relative_to(ROOT))
    if path.name in ("store.py", "table.py") or here in ("app/db.py", "app/clock.py") or here.startswith("app/migrations/"):
        return
    assert stray_statements(parsed(path), here in LISTENERS or here.startswith(("app/net/", "tasks/"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "from sqlalchemy import text",
        "import psycopg",
        "db.exec_driver_sql('update page')",
        "db.connection.driver_connection.cursor()",
    ],
)
def test_a_statement_elsewhere_is_found(text: str) -> None:
    assert stray_statements(ast.parse(text), psycopg=False)
