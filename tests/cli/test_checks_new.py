"""`tocsin checks new`: what it writes passes every test and lint (types: `tests.scaffolds`); what cannot be is refused."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main

ROOT = Path(__file__).parents[2]
KINDS = ("network", "program", "file")
CONTRACT = "tests/probes/test_every_probe.py"
New = Callable[..., tuple[int, str]]


@pytest.fixture
def new(capsys: pytest.CaptureFixture[str]) -> New:
    """Runs `tocsin checks new WORDS`: its exit status, and what it said."""

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(("checks", "new", *words))
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The folders that probes and their tests live in, as in the source tree; what is only read is linked."""
    for name in ("tasks", "tests/probes"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "data"))
    for test in (tmp_path / "tests/probes").glob("test_*.py"):
        if test.name != Path(CONTRACT).name:
            test.unlink()
    for name in ("__init__.py", "conftest.py", "net", "stack.py", "programs.py", "shipped.py"):
        (tmp_path / "tests" / name).symlink_to(ROOT / "tests" / name)
    for name in ("app", "beat_schedule.py", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/examples").symlink_to(ROOT / "docs/examples")
    for name in ("reference.md", "operations.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs" / name)
    return tmp_path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Only what an installed package has."""
    (tmp_path / "tasks/health").mkdir(parents=True)
    (tmp_path / "tasks/health/__init__.py").touch()
    return tmp_path


def run(tree: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(180)
def test_what_is_written_is_right_as_it_is(new: New, tree: Path) -> None:
    (tree / "config").mkdir()
    for kind in KINDS:
        status, said = new(f"security.my_{kind}", "--kind", kind, "--folder", str(tree), "--description", f"Sees a {kind}")
        assert status == 0, said
        assert f"wrote tasks/security/my_{kind}.py\nwrote tests/probes/test_my_{kind}.py\nwrote docs/reference.md\n" in said
        (tree / "config" / f"{kind}.yaml").write_text(said[said.index("checks:\n") :])
    modules = [f"tasks/security/my_{kind}.py" for kind in KINDS]
    tests = [f"tests/probes/test_my_{kind}.py" for kind in KINDS]
    run(tree, "ruff", "check", "--no-cache", *modules, *tests)
    run(tree, "ruff", "format", "--check", "--no-cache", *modules, *tests)
    reference = (tree / "docs/reference.md").read_text()
    for kind in KINDS:
        assert f"### security.my_{kind}\n\nSees a {kind}.\n\nMetrics: " in reference
        example = reference.partition(f"### security.my_{kind}\n")[2].partition("```yaml\n")[2].partition("```")[0]
        (tree / "config" / f"example_{kind}.yaml").write_text(example)
    run(tree, "app.cli", "config", "check", "config")
    run(tree, "pytest", "-q", "-p", "no:cacheprovider", *tests, CONTRACT, "-k", "my_")


def test_a_probe_named_as_one_of_another_family_has_a_test_of_its_own(new: New, installed: Path) -> None:
    (installed / "tests/probes").mkdir(parents=True)
    (installed / "tests/probes/run.py").touch()
    (installed / "tests/probes/test_redis.py").write_text("# of another family")
    assert "wrote tests/probes/test_redis_health.py" in new("health.redis", "--folder", str(installed))[1]
    assert (installed / "tests/probes/test_redis.py").read_text() == "# of another family"


def test_where_there_are_no_tests_and_no_docs_it_says_what_it_skipped(new: New, installed: Path) -> None:
    status, said = new("health.mine", "--folder", str(installed))
    assert status == 0
    assert "wrote tasks/health/mine.py" in said
    assert "skipped: no test: " in said
    assert "skipped: no documentation: " in said
    assert sorted(path.name for path in installed.rglob("*.*")) == ["__init__.py", "mine.py"]


@pytest.mark.parametrize(
    "name, why",
    [
        ("mine", "has no family; it is one of health, performance, business, security"),
        ("helth.mine", 'unknown family "helth" (did you mean "health"?)'),
        ("tasks.mine", 'unknown family "tasks"'),
        (
            "health.My-Probe",
            'not a valid module name: use lowercase letters, digits and _, at most 40 characters (did you mean "my_probe"?)',
        ),
        ("health.a.b", 'did you mean "a_b"?'),
        ("health.", "not a valid module name"),
        ("health._mine", 'did you mean "mine"?'),
        ("health.1st", 'did you mean "st"?'),
        ("health.../x", 'did you mean "x"?'),
        ("health." + "x" * 41, "at most 40"),
        ("health.class", 'use "class_check"'),
        ("health.prüfung", "not a valid module name"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_nearest_right_word(new: New, installed: Path, name: str, why: str) -> None:
    status, said = new(name, "--folder", str(installed))
    assert status == 2
    assert why in said
    assert [path.name for path in installed.rglob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("text", ['a """ b', "back\\slash", "two\nlines", "x" * 111, 'quoted "x"'])
def test_a_description_that_would_break_the_file_is_refused(new: New, installed: Path, text: str) -> None:
    assert new("health.mine", "--folder", str(installed), "--description", text)[0] == 2


def test_nothing_that_is_there_is_written_over(new: New, installed: Path) -> None:
    mine = installed / "tasks/health/mine.py"
    mine.write_text("# mine")
    status, said = new("health.mine", "--folder", str(installed))
    assert (status, mine.read_text()) == (1, "# mine")
    assert "probe health.mine already exists" in said


def test_a_folder_that_workers_do_not_read_is_refused_with_the_one_they_do(new: New, tmp_path: Path) -> None:
    status, said = new("health.mine", "--folder", str(tmp_path))
    assert status == 2
    assert f"pass --folder {ROOT}" in said
