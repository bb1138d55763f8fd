"""What a shell says of locations, people and secrets."""

from pathlib import Path

import pytest

from tests.cli.conftest import Tocsin


def test_a_location_has_a_key_of_its_own_that_stays_the_same(tocsin: Tocsin) -> None:
    from app.settings import settings

    keys = [tocsin("locations", "key", place).out.strip() for place in ("eu-west", "us-east", "eu-west")]
    assert keys[0] == keys[2] != keys[1]
    assert settings().key.decode() not in keys
    assert all(len(key) == 64 for key in keys)


@pytest.mark.parametrize("place", ["eu west", 'x"; drop table page; --', "EU", "", "é"])
def test_what_is_no_location_is_refused(tocsin: Tocsin, place: str) -> None:
    for words in (("locations", "key", place), ("locations", "sql", place)):
        said = tocsin(*words)
        assert (said.status, said.out) == (2, "")
        assert "invalid location" in said.err


def test_a_location_too_long_for_a_role_is_refused_and_has_a_key(tocsin: Tocsin) -> None:
    assert tocsin("locations", "sql", "x" * 54).status == 2
    assert tocsin("locations", "sql", "x" * 53).status == 0
    assert tocsin("locations", "key", "x" * 63).status == 0


def test_the_sql_of_a_location_gives_nothing_away(tocsin: Tocsin) -> None:
    lines = tocsin("locations", "sql", "eu-west").out.splitlines()
    assert lines[0] == 'create role "tocsin_at_eu-west" login connection limit 20;'
    tables = " ".join(line for line in lines if line.startswith("grant"))
    for table in ("person", "token", "invitation", "page", "integration", "signal", "audit", "incident", "team"):
        assert f" {table}" not in tables.replace(",", " ")


def test_a_person_who_was_invited_is_removed_and_a_declared_one_is_not(tocsin: Tocsin) -> None:
    tocsin("users", "invite", "cy")
    assert tocsin("users", "remove", "cy").out == "cy: removed\n"
    assert "cy" not in tocsin("users", "list").out
    assert tocsin("users", "remove", "cy").status == 2
    assert tocsin("users", "remove", "ada").status == 1
    assert tocsin("users", "remove", "bo", "--as", "ed").status == 2


def test_export_writes_variables_back_and_stars_what_is_secret(
    tocsin: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "CANARY-1")
    config = tmp_path / "config"
    config.mkdir()
    hook = "  hook: {kind: webhook, url: https://ada:CANARY-2@h.example/, secret: '${HOOK_SECRET}'}\n"
    (config / "a.yaml").write_text(f"routes: []\nchannels:\n{hook}")
    said = [tocsin("config", *words) for words in (("plan", str(config)), ("apply", str(config)), ("export",), ("audit",)[:0])]
    said.append(tocsin("config", "export", str(tmp_path / "out")))
    assert not any("CANARY" in one.out + one.err for one in said)
    written = (tmp_path / "out/a.yaml").read_text()
    assert written == f"routes: []\nchannels:\n{hook}".replace("https://ada:CANARY-2@h.example/", '"https://***@h.example/"')
    assert 'channel "hook": url: changed' in tocsin("config", "plan", str(tmp_path / "out")).out


def test_a_sealed_secret_cannot_be_tried_as_one(tocsin: Tocsin) -> None:
    from app.seal import marked

    said = tocsin("checks", "try", "health.tcp", "--with", "host=h", "--with", "port=1", "--with", f"send={marked('x')}")
    assert (said.status, "enter the secret itself" in said.err) == (2, True)


def test_doctor_names_what_another_key_has_sealed(tocsin: Tocsin) -> None:
    from app.catalog import store
    from app.db import transaction

    with transaction() as db:
        store.replace_spec(db, "channel", "hook", {"kind": "webhook", "url": "https://h/", "secret": "~sealed~~gAAAAAanother~"})
    assert 'the secrets of channel "hook" are encrypted with a different secret key' in tocsin("doctor").out
