"""The house's own rules: no giants, every plug-in describes itself, the schema in the code is the one that is migrated."""

import ast
import gc
import re
from functools import cache
from pathlib import Path

import pytest

from app import plugins
from app.queues import ALL, CHECKS, STAGE_TASKS, Upkeep
from app.reason import RECORDED, Code
from app.wording import PHRASES
from tests.house.every import every

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES = 400, 40  # cap the tail: any code base has short functions
FOLDERS = ("app", "tasks")
SOURCES = [
    *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "versions" not in path.parts),
    ROOT / "beat_schedule.py",
]


@cache
def parsed(path: Path) -> ast.Module:
    """The file's tree. Python 3.11 may raise SystemError where the collector runs amid that: "recursion depth mismatch"."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = parsed(path)
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@every("path", SOURCES)
def test_no_file_and_no_function_is_a_giant(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= FUNCTION_LINES, f"{function.name} has {length} lines"


@every("path", SOURCES)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if path.name != "__init__.py":
        assert ast.get_docstring(parsed(path))


def test_the_tables_in_the_code_are_those_that_are_migrated(engine: object) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from app.db import metadata

    for stage in STAGES:
        __import__(f"app.{stage}.table")

    def ours(object_: object, name: str, kind: str, reflected: bool, compared: object) -> bool:
        return not (kind == "table" and reflected and compared is None and any(name.startswith(p) for p in PARTITIONS))

    with engine.connect() as db:  # type: ignore[attr-defined]
        context = MigrationContext.configure(db, opts={"compare_type": True, "include_object": ours})
        assert compare_metadata(context, metadata) == []


STAGES = (
    "beats", "uptime", "catalog", "people", "oncall", "signals", "checks", "checks.heartbeats", "checks.prober",
    "checks.samples", "rules", "alerts", "incidents", "escalation", "notify",
)  # fmt: skip
PARTITIONS = ("check_result_", "sample_", "verdict_", "band_", "rollup_5m_", "alembic_version")


OFFERS = {"app.notify.channels": ("send",), "app.rules.kinds": ("evaluate", "combine"), "app.signals.sources": ("parse",)}


@pytest.mark.parametrize("package", OFFERS)
def test_every_plug_in_describes_itself(package: str) -> None:
    for name, module in plugins.each(package):
        assert module.__doc__, name
        assert any(callable(getattr(module, word, None)) for word in OFFERS[package]), name


def test_every_code_of_a_kind_of_rule_names_the_kind_and_has_its_words() -> None:
    for name, module in plugins.each(plugins.RULE_KINDS):
        assert all(str(code).startswith(f"{name}.") for code in module.Code), name
        assert set(module.PHRASES) == set(module.Code), name


def test_every_code_has_its_words() -> None:
    assert set(PHRASES) == {RECORDED, *Code}


def test_the_workers_of_the_compose_file_take_from_every_queue_once() -> None:
    found = re.findall(r'worker, -Q, "?([a-z,]+[a-z])', (ROOT / "docker/compose.yml").read_text())
    assert sorted(",".join(found).split(",")) == sorted(ALL)


def test_no_task_of_ours_is_named_by_hand() -> None:
    """Tasks of the line, of sweeps and of upkeep are named in app/queues.py alone; probes by their files."""
    names = [*STAGE_TASKS.values(), *Upkeep, *(queue.dispatch for queue in CHECKS), *(queue.sweep for queue in STAGE_TASKS)]
    for path in [one for one in SOURCES if one.name != "queues.py"]:
        texts = {
            node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not texts.intersection(names), path


EDGES = ("app/api/", "app/cli/", "app/net/", "tasks/")  # JSON is made here, and other people's databases are read
ROW = re.compile(r"\b(RowMapping|(Mapping|dict)\[str, Any\])")


@every("path", SOURCES)
def test_what_a_store_gives_has_a_type(path: Path) -> None:
    """A mapping of names to anything is for whoever writes a row, for parsers, JSON and the settings of plug-ins."""
    here = str(path.relative_to(ROOT))
    functions = [] if here.startswith(EDGES) else [one for one in ast.walk(parsed(path)) if isinstance(one, ast.FunctionDef)]
    if path.name == "store.py":
        said = [one.returns for one in functions if not one.name.startswith("_") and one.name != "dumped"]
    else:
        said = [word.annotation for one in functions for word in one.args.args if word.arg in ("row", "beat", "ends", "end")]
    found = [ast.unparse(one) for one in said if one is not None and ROW.search(ast.unparse(one))]
    assert found == []


def test_no_countdown_carries_a_page() -> None:
    """What is due lives in a row; countdowns are hints of at most a minute, made in one place."""
    for path in SOURCES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and any(word.arg in ("countdown", "eta") for word in node.keywords):
                name = ast.unparse(node.func)
                assert name in ("hint", "app.send_task"), f"{path}: {name} with a countdown"


TESTS = sorted((ROOT / "tests").rglob("*.py"))


@every("path", TESTS)
def test_no_test_changes_what_a_module_keeps_to_itself(path: Path) -> None:
    """A cache that is wrong until a test empties it is wrong for users too."""
    emptied = {"clear", "cache_clear", "pop", "update", "__init__"}
    for node in ast.walk(parsed(path)):
        targets = list(node.targets) if isinstance(node, ast.Assign | ast.Delete) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in emptied:
            assert node.func.attr != "__init__" or ast.unparse(node.func.value) == "super()", (
                f"{path.name}: {ast.unparse(node)}"
            )
            targets.append(node.func.value)
        for target in targets:
            place = target.value if isinstance(target, ast.Subscript) else target
            private = isinstance(place, ast.Attribute) and place.attr.startswith("_") and not place.attr.startswith("__")
            owner = place.value.id if private and isinstance(place.value, ast.Name) else "self"  # type: ignore[attr-defined]
            assert owner in ("self", "cls", "item"), f"{path.name}: {ast.unparse(node)}"


FOR_STORIES = {"run_until_idle", "start_embedded"}  # the line until nothing is due; the servers that tests run on


def test_nothing_is_kept_for_tests_alone() -> None:
    """A function that only its tests call is dead, and its tests say nothing of the product."""
    trees = {path: parsed(path) for path in SOURCES}
    called = {node.id for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Name)}
    called |= {node.attr for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = [node.value for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    called |= {word for text in texts if isinstance(text, str) for word in re.findall(r"\w+", text)}
    dead = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.decorator_list
        and node.name not in called | FOR_STORIES
    }
    assert dead == set()
