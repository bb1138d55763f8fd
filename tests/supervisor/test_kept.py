"""What a home keeps: the settings of its stack for every other terminal, the database it has had, the first admin's files."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app import kept
from app.errors import Unusable
from app.people import adminfiles, service
from app.people.model import FIRST_ADMIN, SYSTEM, Role
from app.settings import Settings, environ, kept_from_last, of_home, read_settings, settings, to_start
from tests import forked
from tests.stack import free_port
from tests.supervisor import elsewhere
from tests.supervisor.conftest import ROOT, Home, MakeHome
from tests.supervisor.test_start import is_one_line

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def bare(home: Home, *words: str, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """A command in a second terminal: of the first one's variables it has the home."""
    environ = {name: value for name, value in home.env.items() if not name.startswith("TOCSIN_")}
    environ |= {"PYTHONPATH": str(ROOT), "TOCSIN_HOME": str(home.path), **env}
    return forked.tocsin(*words, env=environ, cwd=folder)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process as a shell without a Tocsin variable but the home."""
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def runs(shell: Path) -> Iterator[Path]:
    """A home whose stack runs on port 9000, with a database elsewhere and a time zone only its files read."""
    from app.supervisor import state

    given = {
        "TOCSIN_PORT": "9000",
        "TOCSIN_DATABASE_URL": "postgresql://tocsin:right@db.example.org/tocsin",
        "TOCSIN_BASE_URL": "https://tocsin.example.org",
        "TOCSIN_TIMEZONE": "Europe/Paris",
    }
    kept.keep(kept.running(shell), kept.Kept(given, {"TOCSIN_HOME": str(shell), "TOCSIN_CONFIG": "/etc/tocsin/alerting"}))
    lock = state.lock(shell)
    assert lock is not None
    yield shell
    os.close(lock)


def test_a_second_terminal_needs_no_variable(runs: Path) -> None:
    found = read_settings()
    assert (found.port, found.url, str(found.config)) == (9000, "https://tocsin.example.org", "/etc/tocsin/alerting")
    assert found.database == "postgresql+psycopg://tocsin:right@db.example.org/tocsin"
    assert environ()["TOCSIN_TIMEZONE"] == "Europe/Paris"


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("TOCSIN_PORT", "8080", "TOCSIN_PORT is 8080 here, but 9000 in the running stack"),
        ("TOCSIN_FLOWER_PORT", "5556", "TOCSIN_FLOWER_PORT is 5556 here, but 5555 in the running stack"),
        ("TOCSIN_HOST", "0.0.0.0", "TOCSIN_HOST is 0.0.0.0 here, but 127.0.0.1"),
        ("TOCSIN_CONFIG", "/etc/other", "TOCSIN_CONFIG is /etc/other here, but /etc/tocsin/alerting"),
        ("TOCSIN_BASE_URL", "https://other.example.org", "but https://tocsin.example.org in the running stack"),
        ("TOCSIN_DATABASE_URL", "postgresql://x:geheim@h/y", "is postgresql://***@h/y here, but postgresql://***@db."),
        ("TOCSIN_DATABASE_URL", "postgresql://tocsin:geheim@db.example.org/tocsin", "(the secret parts differ)"),
        ("TOCSIN_BROKER_URL", "redis://:geheim@h/0", "TOCSIN_BROKER_URL is redis://***@h/0 here, but unset"),
        ("TOCSIN_SECRET_KEY", "geheim", "TOCSIN_SECRET_KEY is *** here, but unset"),
        ("TOCSIN_WATCHER_URL", "https://hc.example.org/geheim", "is https://hc.example.org/*** here, but unset"),
        ("TOCSIN_RETAIN_RESULTS_DAYS", "7", "TOCSIN_RETAIN_RESULTS_DAYS is 7 here, but 30"),
        ("TOCSIN_TLS_CERT", "/x.pem", "TOCSIN_TLS_CERT is /x.pem here, but unset"),
        ("TOCSIN_TIMEZONE", "Asia/Tokyo", "TOCSIN_TIMEZONE is Asia/Tokyo here, but Europe/Paris"),
    ],
)
def test_a_variable_that_contradicts_the_running_stack_is_named_with_both_values(
    runs: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    for read in (read_settings, to_start):
        with pytest.raises(Exception, match="in the running stack") as error:
            read()
        assert said in str(error.value)
        assert "geheim" not in str(error.value)
    assert of_home().port == 9000  # what needs only the home goes on


@pytest.mark.parametrize(
    "name, value",
    [
        ("TOCSIN_PORT", "9000"),
        ("TOCSIN_PORT", ""),
        ("TOCSIN_DATABASE_URL", "postgres://tocsin:right@db.example.org/tocsin"),
        ("TOCSIN_BASE_URL", "https://tocsin.example.org/"),
        ("TOCSIN_FLOWER_PORT", "5555"),
        ("TOCSIN_TIMEZONE", "Europe/Paris"),
        ("TOCSIN_UNKNOWN", "x"),
    ],
)
def test_what_says_the_same_in_other_words_is_no_contradiction(
    runs: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert read_settings().port == 9000


def test_between_two_stacks_a_variable_counts_and_the_rest_is_kept(shell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep(kept.last(shell), kept.Kept({"TOCSIN_PORT": "9000", "TOCSIN_HOST": "::1"}, {"TOCSIN_CONFIG": "/etc/old"}))
    monkeypatch.setenv("TOCSIN_PORT", "9001")
    assert (read_settings().port, read_settings().host, str(read_settings().config)) == (9001, "::1", "/etc/old")
    found = to_start()
    assert (found.port, found.host) == (9001, "::1")
    assert found.config == Settings.model_fields["config"].default  # a new release may bring another
    assert kept_from_last(found) == ["TOCSIN_HOST=::1"]
    monkeypatch.setenv("TOCSIN_HOST", "")
    assert to_start().host == "127.0.0.1"


def test_a_process_of_the_stack_reads_its_own_variables(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Settings(home=runs)
    monkeypatch.setenv(kept.MARK, str(own.sockets))
    monkeypatch.setenv("TOCSIN_PORT", "9005")
    assert read_settings().port == 9005


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"given": 3, "implied": {}}', "\0"])
def test_a_file_nobody_can_read_keeps_nothing(shell: Path, text: str) -> None:
    kept.last(shell).write_text(text)
    assert read_settings().port == 8080


def test_settings_are_kept_of_a_start_that_got_as_far_as_its_database(make_home: MakeHome) -> None:
    home = make_home(embedded=True, TOCSIN_BASE_URL="https://tocsin.example.org", TOCSIN_FLOWER_PORT=str(free_port()))
    home.up()
    for path in (kept.running(home.path), kept.last(home.path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())["given"]["TOCSIN_PORT"] == str(home.port)
    elsewhere_ = bare(home, "status", "--json", folder=home.path)
    assert json.loads(elsewhere_.stdout)["ready"] is True
    is_one_line(bare(home, "status", TOCSIN_PORT="1234"), 2, f"TOCSIN_PORT is 1234 here, but {home.port} in the running stack")
    is_one_line(bare(home, "up", "--detach", TOCSIN_PORT="1234"), 1, "TOCSIN_PORT is 1234 here")
    again = bare(home, "up", "--detach")
    assert again.returncode == 0
    assert f"the stack in {home.path} is already running" in again.stdout
    assert "console  https://tocsin.example.org" in again.stdout
    assert bare(home, "down", TOCSIN_PORT="1234").returncode == 0
    assert not kept.running(home.path).exists()
    home.env["TOCSIN_PORT"] = str(free_port())
    home.up()
    assert json.loads(kept.last(home.path).read_text())["given"]["TOCSIN_PORT"] == home.env["TOCSIN_PORT"]


def test_a_start_that_failed_keeps_nothing(make_home: MakeHome) -> None:
    home = make_home(embedded=True, STAND_IN_HOPELESS="1")
    done = home.run("detach")
    assert done.returncode == 1
    assert "prepare cannot start: no database here" in done.stdout
    assert not kept.last(home.path).exists()
    assert state_of(home) is None


def test_an_embedded_database_that_is_gone_is_not_replaced_in_silence(make_home: MakeHome) -> None:
    import shutil

    from app.supervisor import postgres

    home = make_home(embedded=True)
    home.up()
    home.down()
    kept.remember_database(home.path, f"embedded, in {home.path}", "2026-11-02T09:00:00Z")
    data = postgres.locate(home.path, home.settings.sockets).data

    def empty() -> None:
        for one in data.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()

    for lose in (empty, data.rmdir):
        lose()
        for command in ("up", "--detach"):
            done = bare(home, "up", *([command] if command != "up" else []), TOCSIN_FLOWER_PORT=str(free_port()))
            is_one_line(done, 1, f"{data} is missing or empty, but this home had a database (embedded, in {home.path}, since")
    assert not data.exists()


@pytest.mark.parametrize("lost", ["drop schema public cascade; create schema public", "delete from token; delete from person"])
def test_an_empty_database_elsewhere_is_refused_unless_it_is_wanted(tmp_path: Path, lost: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}

    def prepare(*words: str) -> subprocess.CompletedProcess[str]:
        return forked.tocsin("prepare", *words, env=environ)

    with elsewhere.postgres() as url:
        elsewhere.sql(url.format("postgres", "postgres"), "create database tocsin owner tocsin")
        owner = url.format("tocsin:right", "tocsin")
        environ |= {"TOCSIN_HOME": str(tmp_path), "TOCSIN_DATABASE_URL": owner, "TOCSIN_BROKER_URL": "redis://127.0.0.1:1"}
        assert prepare().returncode == 0
        before = (tmp_path / "admin-token").read_text()
        assert prepare().returncode == 0
        assert (tmp_path / "admin-token").read_text() == before
        elsewhere.sql(url.format("postgres", "tocsin"), lost, "grant all on schema public to tocsin")
        refused = prepare()
        is_one_line(refused, 1, "the database is empty (postgresql://***@127.0.0.1")
        assert "`tocsin up --fresh` (or `tocsin prepare --fresh`) starts over" in refused.stderr
        fresh = prepare("--fresh")
        assert fresh.returncode == 0, fresh.stderr
        assert (tmp_path / "admin-token").read_text() != before
        assert prepare().returncode == 0


def test_a_secret_key_that_is_gone_is_not_replaced_in_silence(shell: Path) -> None:
    (first := Settings(home=shell)).key  # noqa: B018  (made at the first look)
    kept.remember_database(shell, "somewhere", "2026-11-02T09:00:00Z")
    assert Settings(home=shell).key == first.key
    (shell / "secret-key").unlink()
    with pytest.raises(Unusable, match="secret-key is missing; restore it"):
        _ = Settings(home=shell).key
    assert Settings(home=shell, secret_key="given").key == b"given"


def state_of(home: Home) -> object:
    from app.supervisor import state

    return state.load(home.path)


def owner(db: Connection, home: Path) -> str | None:
    """Whose the token in the first admin's file is."""
    found = service.token_owner(db, (home / "admin-token").read_text(), NOW)
    return found.login if found else None


@pytest.fixture
def admin(db: Connection, shell: Path) -> Path:
    """A home whose first admin has just been made."""
    service.first_admin(db, shell, NOW)
    return shell


def test_the_files_of_the_first_admin_hold_only_their_value_for_their_owner_alone(db: Connection, admin: Path) -> None:
    for name in (adminfiles.PASSWORD, adminfiles.TOKEN):
        path = admin / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == path.read_text().strip()
    assert service.log_in(db, FIRST_ADMIN, (admin / "admin-password").read_text()) is not None
    assert owner(db, admin) == FIRST_ADMIN


def test_a_password_file_goes_with_its_password(db: Connection, admin: Path) -> None:
    service.set_password(db, FIRST_ADMIN, "another password", SYSTEM, NOW)
    assert not (admin / "admin-password").exists()
    assert (admin / "admin-token").exists()


def test_a_password_file_stays_while_it_is_right(db: Connection, admin: Path) -> None:
    right = (admin / "admin-password").read_text()
    service.set_password(db, FIRST_ADMIN, right, SYSTEM, NOW)
    service.invite(db, "ada", Role.VIEWER, None, SYSTEM, NOW)
    service.set_password(db, "ada", "another password", SYSTEM, NOW)
    assert (admin / "admin-password").read_text() == right


def test_a_token_file_goes_with_its_token_and_only_with_its_own(db: Connection, admin: Path) -> None:
    other = service.make_token(db, FIRST_ADMIN, "other", SYSTEM, NOW)
    service.revoke_token(db, _id(other), FIRST_ADMIN, SYSTEM, NOW)
    written = (admin / "admin-token").read_text()
    service.revoke_token(db, _id(written), FIRST_ADMIN, SYSTEM, NOW)
    assert not (admin / "admin-token").exists()


def test_files_of_another_database_are_removed_or_rewritten_at_the_next_start(db: Connection, admin: Path) -> None:
    (admin / "admin-password").write_text("of a database that was replaced")
    (admin / "admin-token").write_text("tocsin_123456789abc.of-a-database-that-was-replaced")
    (admin / "admin-token").chmod(0o644)
    service.first_admin(db, admin, NOW)
    assert not (admin / "admin-password").exists()
    assert owner(db, admin) == FIRST_ADMIN
    assert stat.S_IMODE((admin / "admin-token").stat().st_mode) == 0o600


def test_a_token_of_somebody_else_is_not_the_admins(db: Connection, admin: Path) -> None:
    service.invite(db, "ada", Role.VIEWER, None, SYSTEM, NOW)
    (admin / "admin-token").write_text(service.make_token(db, "ada", "", SYSTEM, NOW))
    service.first_admin(db, admin, NOW)
    assert owner(db, admin) == FIRST_ADMIN


def test_rights_that_a_copy_gave_away_are_taken_back(db: Connection, admin: Path) -> None:
    (admin / "secret-key").write_text("x")
    for name in adminfiles.SECRETS:
        (admin / name).touch()
        (admin / name).chmod(0o644)
    service.first_admin(db, admin, NOW)
    assert {stat.S_IMODE((admin / name).stat().st_mode) for name in adminfiles.SECRETS} == {0o600}


def test_an_empty_secret_signs_nothing(shell: Path) -> None:
    (shell / "secret-key").write_text("\n")
    with pytest.raises(Exception, match="secret-key is empty; restore it"):
        _ = Settings(home=shell).key


def _id(token: str) -> str:
    return token.removeprefix("tocsin_").partition(".")[0]
