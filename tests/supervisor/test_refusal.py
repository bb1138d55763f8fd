"""Which refusals waiting cannot change, by what servers and libraries say; a real RabbitMQ among them."""

import json
import urllib.request
from base64 import b64encode

import psycopg
import pytest

from app import refusal
from app.errors import Unavailable, Unusable
from app.settings import Settings
from app.supervisor import preflight

AT = 'connection failed: connection to server at "db" (10.0.0.1), port 5432 failed: '
PASSING = {
    "refused": f"{AT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
    "unknown host": "failed to resolve host 'db': [Errno -2] Name or service not known",
    "starting": f"{AT}FATAL:  the database system is starting up",
    "ending": f"{AT}FATAL:  the database system is shutting down",
    "recovering": f"{AT}FATAL:  the database system is not yet accepting connections",
    "full": f"{AT}FATAL:  sorry, too many clients already",
    "nearly full": f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
    "full for this role": f'{AT}FATAL:  too many connections for role "tocsin"',
    "killed": f"{AT}FATAL:  terminating connection due to administrator command",
    "a pooler whose server is away": f"{AT}FATAL:  server login has been failing, try again later (server_login_retry)",
    "a standby": f"{AT}session is read-only",
    "slow": "connection timeout expired",
    "a translated server": f"{AT}FATAL:  Passwort-Authentifizierung für Benutzer »tocsin« fehlgeschlagen",
    "disk": f'{AT}FATAL:  could not open file "base/1/2": Too many open files in system',
}
FINAL = {
    "wrong password": f'{AT}FATAL:  password authentication failed for user "tocsin"',
    "wrong password on the second address": f'{AT}Connection refused\n\tIs it?\n{AT}FATAL:  role "x" does not exist',
    "no role": f'{AT}FATAL:  role "tocsin" does not exist',
    "no database": f'{AT}FATAL:  database "tocsin" does not exist',
    "not let in": f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "tocsin", database "tocsin", no encryption',
    "not a log-in": f'{AT}FATAL:  role "tocsin" is not permitted to log in',
    "another account": f'{AT}FATAL:  Peer authentication failed for user "tocsin"',
    "a pooler's user": f"{AT}FATAL:  no such user",
    "no TLS": f"{AT}server does not support SSL, but SSL was required",
    "no trust": f"{AT}SSL error: certificate verify failed",
    "no PostgreSQL": f"{AT}received invalid response to SSL negotiation: H",
    "a wrong option": 'invalid sslmode value: "nix"',
}


@pytest.mark.parametrize("case", PASSING)
def test_what_may_pass_is_tried_on(case: str) -> None:
    found = refusal.database(psycopg.OperationalError(PASSING[case]))
    assert type(found) is Unavailable
    assert str(found).startswith("the database does not respond: ")
    assert "\n" not in str(found)


@pytest.mark.parametrize("case", FINAL)
def test_what_stays_is_final(case: str) -> None:
    found = refusal.database(psycopg.OperationalError(FINAL[case]))
    assert isinstance(found, Unusable)
    assert "\n" not in str(found)


def test_a_url_that_a_library_quotes_is_not_repeated() -> None:
    with pytest.raises(psycopg.Error) as error:
        psycopg.connect("postgresql://u:geheim@[::1/x")
    assert "geheim" not in str(refusal.database(error.value))


def test_rabbitmq_says_who_is_refused_and_what_is_not_there() -> None:
    from tests.probes.servers.rabbitmq import rabbitmq

    with rabbitmq() as management:
        asked = urllib.request.Request(f"{management}/api/overview")
        asked.add_header("Authorization", f"Basic {b64encode(b'guest:guest').decode()}")
        with urllib.request.urlopen(asked) as answer:
            listeners = json.load(answer)["listeners"]
        port = next(one["port"] for one in listeners if one["protocol"] == "amqp")
        url = f"amqp://guest:{{}}@127.0.0.1:{port}/{{}}"
        assert preflight.servers(Settings(broker_url=url.format("guest", "/")), database=False) == []
        for password, host, why in (("geheim", "/", "ACCESS_REFUSED"), ("guest", "nowhere", "NOT_ALLOWED")):
            with pytest.raises(Unusable, match=why) as error:
                preflight.servers(Settings(broker_url=url.format(password, host)), database=False)
            assert "geheim" not in str(error.value)
    (said,) = preflight.servers(Settings(broker_url=url.format("guest", "/")), database=False)
    assert "the broker does not respond" in said
