"""Every shipped runbook follows the template of the on-call handbook, and its commands exist."""

import re
from datetime import date
from pathlib import Path

from app.catalog.model import Service
from app.checks.model import Check
from app.configfile.load import load
from app.people.model import Team
from app.rules.model import Rule
from tests.house.every import every
from tests.house.test_docs import ROOT, blocks, commands, misunderstood

HANDBOOK = ROOT / "docs/on_call_procedures.md"
TEMPLATE = ROOT / "docs/examples/runbook.md"
FOLDERS = [ROOT / "infra/monitoring/alerting", ROOT / "docs/examples/alerting"]
RUNBOOKS = sorted(runbook for folder in FOLDERS for runbook in folder.glob("runbooks/*.md"))
SCREEN = 45  # lines that are read at 3 a.m.

every_runbook = every("runbook", RUNBOOKS)


def form(text: str) -> list[str]:
    """Its headings and what stands in bold at the start of a line, in order; the title's words are its own."""
    marks = [re.match(r"(#+) (.+)|\*\*(\w+)[.:]\*\*", line) for line in text.splitlines()]
    return ["title" if mark[1] == "#" else mark[2] or mark[3] for mark in marks if mark]


def test_the_handbook_shows_the_template() -> None:
    assert TEMPLATE.read_text() in blocks(HANDBOOK, "markdown")


@every_runbook
def test_a_runbook_follows_the_template(runbook: Path) -> None:
    text = runbook.read_text()
    assert form(text) == form(TEMPLATE.read_text())
    for part in ("Check first", "Verify"):
        assert re.search(rf"^## {part}\n- \[ \] ", text, re.MULTILINE), f"{part} has steps to tick"
    assert len(text.splitlines()) <= SCREEN


@every_runbook
def test_a_runbook_has_an_owner_and_the_day_of_its_review(runbook: Path) -> None:
    last = runbook.read_text().rstrip().splitlines()[-1]
    found = re.fullmatch(r"\*\*Owner:\*\* ([\w-]+)\. \*\*Reviewed:\*\* (\d{4}-\d\d-\d\d)\.", last)
    assert found, last
    config = load(runbook.parents[1], {}).config
    assert config is not None
    assert found[1] in config.of("team", Team)
    date.fromisoformat(found[2])


@every_runbook
def test_commands_in_a_runbook_exist(runbook: Path) -> None:
    shown = re.findall(r"`(tocsin [^`]+)`", runbook.read_text())
    assert [why for code in shown for words in commands(code) if (why := misunderstood(words, whole=False))] == []


def test_everything_that_pages_by_default_has_a_runbook() -> None:
    config = load(FOLDERS[0], {}).config
    assert config is not None
    checks, services = config.of("check", Check), config.of("service", Service)
    paging = {name: (one.runbook, one) for name, one in checks.items() if one.alert != "off"}
    for name, rule in config.of("rule", Rule).items():
        if rule.mode == "live":
            paging[f"rule {name}"] = (rule.runbook, checks[rule.check])
    of_services = {name: service.runbook for name, service in services.items()}
    without = [name for name, (own, check) in paging.items() if not (own or of_services.get(check.service or ""))]
    assert without == []


@every("folder", FOLDERS)
def test_every_shipped_runbook_is_used(folder: Path) -> None:
    files = "".join(path.read_text() for path in folder.glob("*.yaml"))
    unused = [path.stem for path in folder.glob("runbooks/*.md") if not re.search(rf"runbook: {path.stem}\b", files)]
    assert unused == []
