"""The configuration that Tocsin ships, without what its user has changed or added below `infra/`."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "infra/monitoring/alerting"
FILES = ("host.yaml", "people.yaml", "routing.yaml", "stack.yaml")


def write(target: Path, tree: Path = ROOT) -> None:
    """Put it into `target`: as git has it staged; in a tree without git the shipped files as they are."""
    if not _from_git(target, tree):
        shutil.copytree(tree / FOLDER / "runbooks", target / "runbooks")
        for name in FILES:
            shutil.copy(tree / FOLDER / name, target / name)


def folder() -> Path:
    """Where the test run has it; `tests/conftest.py` writes it and names it to every command as TOCSIN_CONFIG."""
    return Path(os.environ["TOCSIN_CONFIG"])


def _from_git(target: Path, tree: Path) -> bool:
    def git(*words: str) -> bytes:
        return subprocess.run(["git", *words], cwd=tree, capture_output=True, check=True).stdout

    try:
        names = git("ls-files", "-z", "--", FOLDER).decode().split("\0")[:-1]
        for name in names:
            path = target / Path(name).relative_to(FOLDER)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(git("show", f":./{name}"))
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(names)
