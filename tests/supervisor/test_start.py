"""A start that cannot succeed says why in one line and exits 1 within seconds; one that may is said and tried on."""

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.supervisor import postgres, state
from app.supervisor.embedded import start_embedded
from tests import forked
from tests.stack import free_port, until
from tests.supervisor import elsewhere
from tests.supervisor.conftest import ROOT, Home, MakeHome

SECRET = "geheim"
WRONG = {
    "a port that is no number": ({"TOCSIN_PORT": "abc"}, "TOCSIN_PORT=abc: must be a whole number from 1 to 65535"),
    "a port beyond the last": ({"TOCSIN_PORT": "99999"}, "TOCSIN_PORT=99999: must be"),
    "a port below the first": ({"TOCSIN_PORT": "-1"}, "TOCSIN_PORT=-1: must be"),
    "a port that nobody could know": ({"TOCSIN_PORT": "0"}, "TOCSIN_PORT=0: must be"),
    "Flower's port": ({"TOCSIN_FLOWER_PORT": "abc"}, "TOCSIN_FLOWER_PORT=abc: must be"),
    "one port for two": ({"TOCSIN_FLOWER_PORT": "SAME"}, "is also set in TOCSIN_PORT: free it, or set TOCSIN_FLOWER_PORT"),
    "a host nobody has": ({"TOCSIN_HOST": "300.1.1.1"}, "set TOCSIN_HOST or TOCSIN_PORT"),
    "negative retention": ({"TOCSIN_RETAIN_RESULTS_DAYS": "-1"}, "TOCSIN_RETAIN_RESULTS_DAYS=-1: must be"),
    "retention without an end": ({"TOCSIN_RETAIN_HOURS_DAYS": "99999999"}, "from 1 to 36500"),
    "another database": ({"TOCSIN_DATABASE_URL": f"mysql://u:{SECRET}@h/x"}, 'unknown scheme "mysql://"'),
    "no URL": ({"TOCSIN_DATABASE_URL": f"u:{SECRET}@h/x"}, "TOCSIN_DATABASE_URL=***: not a URL"),
    "a driver of its own": ({"TOCSIN_DATABASE_URL": "postgresql+asyncpg://h/x"}, "unknown scheme"),
    "a password that is not encoded": ({"TOCSIN_DATABASE_URL": f"postgresql://u:{SECRET}#1@h/x"}, "percent-encoded"),
    "a database port that is none": ({"TOCSIN_DATABASE_URL": f"postgresql://u:{SECRET}@h:abc/x"}, "host or port is invalid"),
    "another broker": ({"TOCSIN_BROKER_URL": f"kafka://u:{SECRET}@h"}, 'unknown scheme "kafka://"'),
    "a Redis database that is no number": ({"TOCSIN_BROKER_URL": "redis://h/x"}, "is a number"),
    "a base URL without a scheme": ({"TOCSIN_BASE_URL": "tocsin.example.org"}, "TOCSIN_BASE_URL=tocsin.example.org: not a URL"),
    "a watcher that is no web address": ({"TOCSIN_WATCHER_URL": "ftp://h/x"}, 'unknown scheme "ftp://"'),
    "a certificate without a key": ({"TOCSIN_TLS_CERT": "CERT"}, "TOCSIN_TLS_CERT is set but TOCSIN_TLS_KEY is not"),
    "a key without a certificate": ({"TOCSIN_TLS_KEY": "CERT"}, "TOCSIN_TLS_KEY is set but TOCSIN_TLS_CERT is not"),
    "a certificate that is not there": ({"TOCSIN_TLS_CERT": "/no.pem", "TOCSIN_TLS_KEY": "CERT"}, "/no.pem: no such file"),
    "a certificate that is a folder": ({"TOCSIN_TLS_CERT": "/tmp", "TOCSIN_TLS_KEY": "CERT"}, "/tmp: is a directory"),
    "a key of another certificate": ({"TOCSIN_TLS_CERT": "CERT", "TOCSIN_TLS_KEY": "OTHER"}, "the key does not match"),
    "a certificate that is none": ({"TOCSIN_TLS_CERT": "JUNK", "TOCSIN_TLS_KEY": "CERT"}, "not a PEM certificate chain"),
    "a key with a passphrase": ({"TOCSIN_TLS_CERT": "CERT", "TOCSIN_TLS_KEY": "LOCKED"}, "is protected by a passphrase"),
    "a home that is a file": ({"TOCSIN_HOME": "/etc/passwd"}, "TOCSIN_HOME=/etc/passwd cannot be used: not a directory"),
    "a home below a file": ({"TOCSIN_HOME": "/etc/passwd/home"}, "cannot be used: not a directory"),
    "a home that cannot be made": ({"TOCSIN_HOME": "/proc/tocsin"}, "TOCSIN_HOME=/proc/tocsin cannot be used"),
    "a home with a name too long": ({"TOCSIN_HOME": f"/tmp/{'x' * 300}"}, "cannot be used: file name too long"),
}  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate with its key in one file, another one, a key with a passphrase, and no certificate at all."""
    folder = tmp_path_factory.mktemp("tls")
    made = {name: str(folder / f"{name.lower()}.pem") for name in ("CERT", "OTHER", "LOCKED", "JUNK")}
    for name in ("CERT", "OTHER"):
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        key, certificate = folder / "key", folder / "certificate"
        subprocess.run([*words, "-subj", "/CN=x", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        Path(made[name]).write_text(certificate.read_text() + key.read_text())
    locked = ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", made["CERT"], "-out", made["LOCKED"]]
    subprocess.run(locked, check=True, capture_output=True)
    Path(made["JUNK"]).write_text("no certificate\n")
    ssl.create_default_context(cafile=made["CERT"])
    return made


def tocsin(home: Home, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command as a process, in the environment of `home` with these variables."""
    environ = {**home.env, "TOCSIN_FLOWER_PORT": str(free_port()), **env}
    return forked.tocsin(*words, env=environ, timeout=40)


def is_one_line(done: subprocess.CompletedProcess[str], status: int, why: str) -> None:
    assert done.returncode == status, done.stdout + done.stderr
    assert why in done.stderr
    assert done.stderr.startswith("tocsin: ")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_and_the_start_is_given_up(
    make_home: MakeHome, certificates: dict[str, str], case: str
) -> None:
    home = make_home(embedded=True)
    given, why = WRONG[case]
    env = {name: certificates.get(value, value) for name, value in given.items()}
    if env.get("TOCSIN_FLOWER_PORT") == "SAME":
        env["TOCSIN_FLOWER_PORT"] = str(home.port)
    is_one_line(tocsin(home, "up", **env), 1, why)
    assert not (home.path / "postgres").exists()
    assert not (home.path / "settings.json").exists()


@pytest.mark.parametrize("words", ["up --detach", "web", "worker", "beat", "pager", "flower", "prepare"])
def test_a_process_of_its_own_and_a_detached_start_say_the_same(make_home: MakeHome, words: str) -> None:
    wrong = {"TOCSIN_RETAIN_RESULTS_DAYS": "-1"}
    is_one_line(tocsin(make_home(), *words.split(), **wrong), 1, "TOCSIN_RETAIN_RESULTS_DAYS=-1")


@pytest.mark.parametrize("words", ["status", "doctor", "users list", "config check", "config plan", "checks list", "down"])
def test_other_commands_end_with_2_for_a_wrong_setting(make_home: MakeHome, words: str) -> None:
    done = tocsin(make_home(), *words.split(), TOCSIN_DATABASE_URL=f"mysql://u:{SECRET}@h/x")
    assert done.returncode == 2
    assert 'unknown scheme "mysql://"' in done.stderr
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


@pytest.mark.parametrize("words", ["up", "up --detach"])
def test_a_first_start_without_a_configuration_folder_ends_with_1(make_home: MakeHome, words: str) -> None:
    home = make_home(embedded=True, TOCSIN_CONFIG="/nowhere/alerting", TOCSIN_FLOWER_PORT=str(free_port()))
    done = tocsin(home, *words.split())
    assert done.returncode == 1
    assert "cannot read the configuration folder /nowhere/alerting" in done.stdout + done.stderr
    assert "cannot read the configuration folder /nowhere/alerting" in tocsin(home, "status").stderr


@pytest.mark.parametrize("name", ["TOCSIN_PORT", "TOCSIN_FLOWER_PORT"])
def test_a_port_of_somebody_else_is_named(make_home: MakeHome, name: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as line:
        port = str(line.getsockname()[1])
        why = f"port {port} of 127.0.0.1 is in use: free it, or set {name}"
        is_one_line(tocsin(make_home(embedded=True), "up", **{name: port}), 1, why)
        is_one_line(tocsin(make_home(), {"TOCSIN_PORT": "web"}.get(name, "flower"), **{name: port}), 1, why)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with elsewhere.postgres() as url:
        elsewhere.sql(url.format("postgres", "postgres"), "create database tocsin owner tocsin")
        yield url


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with elsewhere.valkey() as url:
        yield url


REFUSED = {
    "wrong password": ("tocsin:geheim", "tocsin", "", 'password authentication failed for user "tocsin"'),
    "no password": ("tocsin", "tocsin", "", "no password supplied"),
    "no such role": ("nobody:geheim", "tocsin", "", 'password authentication failed for user "nobody"'),
    "no such role where none needs a password": ("postgres", "none", "", 'database "none" does not exist'),
    "no such database": ("tocsin:right", "none", "", 'database "none" does not exist'),
    "no right to connect": ("tocsin:right", "closed", "", 'permission denied for database "closed"'),
    "no TLS there": ("tocsin:right", "tocsin", "?sslmode=require", "server does not support SSL"),
    "an unknown option": ("tocsin:right", "tocsin", "?nonsense=1", 'invalid URI query parameter: "nonsense"'),
}


@pytest.mark.parametrize("words", ["up", "up --detach"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_database_that_refuses_is_named_with_its_own_words(make_home: MakeHome, database: str, case: str, words: str) -> None:
    who, name, query, why = REFUSED[case]
    home = make_home(embedded=True, TOCSIN_DATABASE_URL=database.format(who, name) + query)
    is_one_line(tocsin(home, *words.split()), 1, why)
    assert state.supervisor(home.path) is None


@pytest.mark.parametrize("words", ["web", "worker", "beat", "pager", "prepare", "users list", "config plan", "checks list"])
def test_whoever_needs_the_database_says_so(make_home: MakeHome, database: str, words: str) -> None:
    home = make_home(embedded=True, TOCSIN_DATABASE_URL=database.format(f"tocsin:{SECRET}", "tocsin"))
    is_one_line(tocsin(home, *words.split()), 1, 'password authentication failed for user "tocsin"')


@pytest.mark.parametrize(
    "who, name, why",
    [
        (f":{SECRET}@", "0", "invalid username-password"),
        ("", "0", "authenticated"),
        (":right@", "99", "DB index is out of range"),
    ],
    ids=["wrong password", "no password", "no such database"],
)
@pytest.mark.parametrize("words", ["up", "worker", "beat", "flower"])
def test_a_broker_that_refuses_is_named_with_its_own_words(
    make_home: MakeHome, database: str, broker: str, words: str, who: str, name: str, why: str
) -> None:
    home = make_home(
        embedded=True,
        TOCSIN_DATABASE_URL=database.format("tocsin:right", "tocsin"),
        TOCSIN_BROKER_URL=broker.format(who) + name,
    )
    is_one_line(tocsin(home, words), 1, why)


def test_a_right_that_is_missing_ends_the_start_with_the_step_that_found_it(make_home: MakeHome, database: str) -> None:
    home = make_home(embedded=True, TOCSIN_DATABASE_URL=database.format("tocsin:right", "postgres"))
    is_one_line(tocsin(home, "up", "--detach"), 1, "permission denied for schema public")
    assert "the last start failed: prepare cannot start" in tocsin(home, "status").stderr


def test_a_database_of_a_newer_release_is_left_alone(make_home: MakeHome, database: str) -> None:
    owner = database.format("tocsin:right", "tocsin")
    elsewhere.sql(owner, "create table alembic_version (version_num text)", "insert into alembic_version values ('9999')")
    try:
        for words in ("up", "web", "worker", "pager", "beat", "prepare"):
            why = "the database has migration 9999, which this release does not know"
            is_one_line(tocsin(make_home(embedded=True, TOCSIN_DATABASE_URL=owner), words), 1, why)
    finally:
        elsewhere.sql(owner, "drop table alembic_version")


@pytest.mark.parametrize(
    "url, why",
    [("postgresql://u:geheim@127.0.0.1:1/x", "Connection refused"), ("postgresql://u:geheim@nowhere.invalid/x", "not known")],
    ids=["refused", "unknown host"],
)
def test_what_may_pass_is_said_at_once_and_tried_on(make_home: MakeHome, url: str, why: str) -> None:
    home = make_home(embedded=True, TOCSIN_DATABASE_URL=url)
    environ = {**home.env, "TOCSIN_FLOWER_PORT": str(free_port())}
    command = [sys.executable, "-m", "app.cli", "up", "--detach"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as up:
        assert up.stderr is not None
        first = up.stderr.readline()
        assert why in first
        assert "retrying" in first
        assert SECRET not in first
        until(lambda: state.supervisor(home.path))
        until(lambda: any(why in reason for reason in (state.load(home.path) or state.State(0, 0)).reasons), 20)
        home.down()
        assert up.wait(20) == 1


@pytest.mark.parametrize(
    "name, damage, why",
    [
        ("global/pg_control", None, "could not open file"),
        ("global/pg_control", b"\0" * 8192, "database files are incompatible with server"),
        ("postgresql.conf", b"nonsense = 1\n", "unrecognized configuration parameter"),
        ("PG_VERSION", None, "PG_VERSION is missing"),
        ("PG_VERSION", b"99\n", "PostgreSQL 99"),
        ("PG_VERSION", b"nonsense\n", "PG_VERSION is damaged"),
    ],
    ids=["no pg_control", "empty pg_control", "broken settings", "no PG_VERSION", "another version", "broken PG_VERSION"],
)
def test_damaged_data_end_the_start_with_the_servers_own_words(
    make_home: MakeHome, name: str, damage: bytes | None, why: str
) -> None:
    home = make_home(embedded=True)
    with start_embedded(home.path, keep=True):
        cluster = postgres.locate(home.path, home.settings.sockets)
    target, before = cluster.data / name, (cluster.data / name).read_bytes()
    target.write_bytes(damage) if damage is not None else target.unlink()
    try:
        for command in ("up", "detach"):
            done = home.run(command)
            assert done.returncode != 0
            assert why in done.stdout
        assert state.supervisor(home.path) is None
        assert why in tocsin(home, "status").stderr
        assert "the last `tocsin up` failed: " in (said := tocsin(home, "doctor").stdout)
        assert why in said
    finally:
        target.write_bytes(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_data_of_somebody_else_are_named_with_their_owner(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    with start_embedded(home.path, keep=True):
        data = postgres.locate(home.path, home.settings.sockets).data
    uid = data.stat().st_uid
    os.chown(data, 4711, -1)
    is_one_line(tocsin(home, "up"), 1, f"{data} belongs to uid 4711, but PostgreSQL runs as uid {uid}")
    os.chown(data, uid, -1)


def test_a_broker_whose_data_are_damaged_says_what_may_be_removed(make_home: MakeHome) -> None:
    home = make_home(embedded=True)
    with start_embedded(home.path, durable=True, keep=True):
        pass
    for part in (home.path / "valkey" / "appendonlydir").glob("*.manifest"):
        part.write_text("nonsense\n")
    done = home.run("detach")
    assert done.returncode == 1
    assert str(home.path / "valkey") in done.stdout
    assert "no alert or page is stored in it" in done.stdout
    shutil.rmtree(home.path / "valkey")
