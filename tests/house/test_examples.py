"""What the docs and the defaults show must load."""

from pathlib import Path

import pytest

from app.configfile.load import load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["docs/examples/alerting", "infra/monitoring/alerting"])
def test_shipped_configurations_have_no_mistakes(folder: str) -> None:
    assert load(ROOT / folder, {}).errors == ()


def test_the_defaults_watch_all_four_families() -> None:
    config = load(ROOT / "infra/monitoring/alerting", {}).config
    assert config is not None
    from app.checks.model import Check

    assert {check.family for check in config.of("check", Check).values()} == {"health", "performance", "business", "security"}
