"""`make check`: how much of the code the tests run, by the figures of the last `make test COVERAGE=1` if nothing changed since.

All of app/ and tasks/ together at least WHOLE per cent; every module that decides (the `pure` contract in pyproject.toml lists
them) without a line left out. A line counts that ran in any process: the tests' own, and each command, worker, pager and
console that they started.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / ".coverage"
PASSED = FIGURES / "passed"  # `make test COVERAGE=1` touches it at the end of a whole run
WHOLE = 95.0  # per cent
CODE = ("app", "tasks")
READ = (*CODE, "tests", "docs", "infra", "requirements", "pyproject.toml", "beat_schedule.py")


@dataclass(frozen=True)
class Lines:
    """Of one file: how many there are to run, and which of them nothing ran."""

    count: int
    missing: str  # "12, 15-18"
    missed: int


def main() -> None:
    """Print the figures. Exits with an error where they are too low, or with `--measured` where there are none."""
    if not fresh():
        print("coverage: not measured for these files; `make test COVERAGE=1` does")
        raise SystemExit("--measured" in sys.argv)
    found = lines(figures())
    decide = {path: one for path, one in found.items() if path in decisions()}
    total, missed = sum(one.count for one in found.values()), sum(one.missed for one in found.values())
    share = 100 * (total - missed) / total
    gaps = [f"{path}: {one.missing}" for path, one in decide.items() if one.missed]
    print(f"coverage: {share:.1f} % of {total:,} lines in app/ and tasks/ (at least {WHOLE:g} %)")
    print(f"coverage: {len(decide) - len(gaps)} of {len(decide)} files that decide are run whole", *gaps, sep="\n  ")
    if gaps or share < WHOLE:
        raise SystemExit(1)


def fresh() -> bool:
    """Whether the whole suite passed on the files as they are now, with figures."""
    if not PASSED.exists():
        return False
    files = (path for name in READ for path in (ROOT / name, *(ROOT / name).rglob("*")))
    changed = max(path.stat().st_mtime for path in files if path.is_file() and "__pycache__" not in path.parts)
    return changed <= PASSED.stat().st_mtime


def figures() -> Coverage:
    """The figures of all processes, together."""
    found = Coverage(config_file=str(ROOT / "pyproject.toml"))
    if any(FIGURES.glob("data.*")):
        found.combine()
    else:
        found.load()
    return found


def lines(found: Coverage) -> Mapping[str, Lines]:
    """Of each file in app/ and tasks/, also of one that nothing imported."""
    paths = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    known = {path: found.analysis2(str(path)) for path in paths}
    return {
        str(path.relative_to(ROOT)): Lines(len(statements), where, len(missing))
        for path, (_, statements, _, missing, where) in known.items()
    }


def decisions() -> set[str]:
    """The files of the modules that decide: those that may know no database, queue, network or settings."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    pure = next(one for one in contracts if one["id"] == "pure")
    return {str(path.relative_to(ROOT)) for name in pure["source_modules"] for path in _files(name)}


def _files(module: str) -> Iterator[Path]:
    """A module's own file; of a package every file below."""
    path = ROOT / module.replace(".", "/")
    yield from path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]


if __name__ == "__main__":
    main()
