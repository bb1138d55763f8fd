"""What the docs and the defaults show must load."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.configfile.load import load
from tests import shipped

with_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", [ROOT / "docs/examples/alerting", shipped.folder()], ids=["examples", "shipped"])
def test_shipped_configurations_have_no_errors(folder: Path) -> None:
    assert load(folder, {}).errors == ()


@pytest.mark.parametrize("in_git", [pytest.param(True, marks=with_git), False], ids=["a clone", "an archive"])
def test_what_a_user_adds_to_the_configuration_is_not_tested(tmp_path: Path, in_git: bool) -> None:
    here, target = tmp_path / "tree", tmp_path / "shipped"
    shutil.copytree(shipped.folder(), here / shipped.FOLDER)
    if in_git:
        for words in (("init", "-q"), ("add", "-A")):
            subprocess.run(["git", *words], cwd=here, check=True)
    (here / shipped.FOLDER / "shop.yaml").write_text("checks: {}\n")
    if in_git:
        (here / shipped.FOLDER / "people.yaml").write_text("teams: {}\n")
    target.mkdir()
    shipped.write(target, here)
    assert {path.name for path in target.glob("*.yaml")} == set(shipped.FILES)
    assert (target / "people.yaml").read_text() == (shipped.folder() / "people.yaml").read_text()
    assert list((target / "runbooks").iterdir())


def test_the_defaults_watch_all_four_families() -> None:
    config = load(shipped.folder(), {}).config
    assert config is not None
    from app.checks.model import Check

    assert {check.family for check in config.of("check", Check).values()} == {"health", "performance", "business", "security"}
