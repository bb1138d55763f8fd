"""`tocsin config check` and `routes test` from a shell: exit status, streams and JSON as the contract says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.config import config
from tests.configfile.test_examples import FOLDER
from tests.configfile.words import BASE


def run(*words: str, **environ: str) -> Result:
    return CliRunner().invoke(config, words, env=environ)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "db.yaml").write_text("users:\n  ada: {rol: admin, timezone: Europe/Pariss}\n")
    return tmp_path


def test_a_right_folder_exits_0_with_a_summary_on_standard_output() -> None:
    result = run("check", str(FOLDER))
    assert result.exit_code == 0
    assert result.stdout.startswith("OK: 2 teams, 4 users, 6 channels, 3 services, 6 checks, 6 rules, ")
    assert "shop.yaml:3: warning: depends_on" in result.stderr


def test_mistakes_exit_1_and_stand_on_standard_error(broken: Path) -> None:
    result = run("check", str(broken))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        'rules/db.yaml:2: timezone of user "ada": \'Europe/Pariss\' is not a time zone (did you mean "Europe/Paris"?)',
        'rules/db.yaml:2: unknown key "rol" in user "ada" (did you mean "role"?)',
        "2 errors; nothing was changed",
    ]


def test_one_thing_is_not_many(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "teams: {shop: {members: [ada]}}\nusers: {ada: {}}\nhours: {late: {from: '16:00', to: '18:00'}}"
    )
    assert run("check", str(tmp_path)).stdout == "OK: 1 team, 1 user, 1 set of hours, 1 file, 1 warning\n"


def test_a_folder_that_is_not_there_exits_2_with_one_line(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_json_carries_mistakes_warnings_and_counts(broken: Path) -> None:
    wrong = json.loads(run("check", "--json", str(broken)).stdout)
    assert wrong["ok"] is False
    assert wrong["errors"][1] == {
        "file": "rules/db.yaml",
        "line": 2,
        "code": "unknown_key",
        "path": "rol",
        "facts": {"subject": 'user "ada"', "key": "rol", "within": [], "near": "role"},
        "message": 'unknown key "rol" in user "ada" (did you mean "role"?)',
    }
    right = json.loads(run("check", "--json", str(FOLDER)).stdout)
    assert (right["ok"], right["errors"], right["counts"]["checks"]) == (True, [], 6)
    assert right["warnings"]


def test_variables_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('users: {ada: {name: "${ADA}"}}')
    assert run("check", str(tmp_path)).exit_code == 1
    assert run("check", str(tmp_path), ADA="Ada").exit_code == 0


@pytest.mark.parametrize(
    "labels, severity, said",
    [
        ("team=shop,service=checkout", "critical", {"route": 2, "policy": "shop-critical", "urgency": "high"}),
        ('team="shop"', "warning", {"route": 3, "policy": "shop-routine", "urgency": "low"}),
        ("family=security", "info", {"route": 1, "policy": "platform", "urgency": "high"}),
        ("a=b", "warning", {"route": 4, "policy": "platform", "urgency": "low"}),
    ],
)
def test_a_route_is_tested_without_a_database(labels: str, severity: str, said: dict[str, str | int]) -> None:
    result = run("routes", "test", "--json", "--labels", labels, "--severity", severity, str(FOLDER))
    assert json.loads(result.stdout).items() >= said.items()
    plain = run("routes", "test", "--labels", f"{labels},severity={severity}", str(FOLDER))
    assert plain.stdout.startswith(f'policy "{said["policy"]}", {said["urgency"]} urgency: route {said["route"]} matches ')


def test_labels_that_are_none_exit_2() -> None:
    assert run("routes", "test", "--labels", "a", str(FOLDER)).exit_code == 2
    assert run("routes", "test", "--labels", "a!=b", str(FOLDER)).exit_code == 2
    assert run("routes", "test", "--labels", "severity=dire", str(FOLDER)).exit_code == 2


def test_labels_without_a_route_exit_1(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps({**BASE, "routes": []}))
    assert run("routes", "test", "--labels", "a=b", str(tmp_path)).exit_code == 1


def test_the_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["title"] == "Tocsin: alerting as code"
