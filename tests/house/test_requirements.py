"""The locks hold what pyproject asks for: nothing that it does not take, nothing missing, the same in both."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def locked(name: str) -> dict[str, Version]:
    text = (ROOT / "requirements" / name).read_text()
    return {canonicalize_name(package): Version(version) for package, version in PINNED.findall(text)}


RUN, DEV = locked("run.lock"), locked("dev.lock")
ASKED = [(one, RUN) for one in PROJECT["project"]["dependencies"]] + [(one, DEV) for one in PROJECT["dependency-groups"]["dev"]]


@pytest.mark.parametrize("asked, lock", ASKED, ids=[one for one, _ in ASKED])
def test_what_is_locked_is_what_is_asked_for(asked: str, lock: dict[str, Version]) -> None:
    wanted = Requirement(asked)
    assert lock[canonicalize_name(wanted.name)] in wanted.specifier


def test_both_locks_hold_the_same_versions() -> None:
    assert {name: version for name, version in DEV.items() if name in RUN} == {name: RUN[name] for name in DEV if name in RUN}
