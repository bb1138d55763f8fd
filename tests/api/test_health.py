"""Liveness, readiness, figures, the reference, and what happens when the database is away."""

import base64
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from sqlalchemy import Connection, text

from tests.api.conftest import Api
from tests.away import disk_with, read_only
from tests.stack import until


def test_healthz_needs_nothing(api: Api) -> None:
    assert api.get("/healthz", as_=None) == {"ok": True}


def test_readyz_names_what_is_missing_and_needs_a_pager(api: Api) -> None:
    from app import beats
    from app.db import transaction

    response = readyz_now(api)
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert {"pager", "beat", "worker:health", "worker:notify"} <= set(response.json()["missing"])
    with transaction() as db:
        beats.touch(db, "pager")
        beats.touch(db, "worker", {"queues": ["health"]})
    response = readyz_now(api)
    assert response.status_code == 200
    assert response.json()["ready"] is True
    assert "worker:health" not in response.json()["missing"]
    assert {"beat", "worker:notify"} <= set(response.json()["missing"])
    assert "broker" not in response.json()["missing"]


def readyz_now(api: Api) -> requests.Response:
    """The first answer that was found out after this call: one is kept for half a second, and says of when it is."""
    now = datetime.now(UTC)

    def fresh() -> list[requests.Response]:  # a response that says 503 counts as false
        response = api.call("GET", "/readyz", None)
        return [response] if datetime.fromisoformat(response.json()["at"]) > now else []

    answered: list[requests.Response] = until(fresh, 10)
    return answered[0]


def missing_now(api: Api) -> tuple[int, list[str]]:
    response = readyz_now(api)
    return response.status_code, response.json()["missing"]


def test_readyz_names_a_read_only_database(api: Api) -> None:
    with read_only():
        status, missing = missing_now(api)
        assert status == 503
        assert {"database", "database:read-only"} <= set(missing)
    assert "database:read-only" not in missing_now(api)[1]


def test_a_session_that_turned_read_only_is_seen(db: Connection) -> None:
    from app import metrics
    from app.review import wellbeing

    assert metrics.is_read_only(db) is False
    db.execute(text("set transaction read only"))
    assert metrics.is_read_only(db) is True
    assert "database:read-only" in wellbeing.missing(db)


@pytest.mark.parametrize(
    "said, names",
    [
        ("connection refused", ["database"]),
        ("session is read-only", ["database", "database:read-only"]),
        ("cannot execute INSERT in a read-only transaction", ["database", "database:read-only"]),
        ("server is in hot standby mode", ["database", "database:read-only"]),
        ("FATAL:  the database system is shutting down", ["database", "database:shutting-down"]),
        ("FATAL:  the database system is starting up", ["database", "database:starting-up"]),
        ("FATAL:  the database system is in recovery mode", ["database", "database:starting-up"]),
        ('FATAL:  password authentication failed for user "x"', ["database", "database:wrong-password"]),
        ("FATAL:  sorry, too many clients already", ["database", "database:too-many-sessions"]),
        ("could not extend file: No space left on device", ["database", "disk:full"]),
    ],
)
def test_a_database_that_cannot_be_asked_has_its_reason(said: str, names: list[str]) -> None:
    from app.errors import Unavailable
    from app.review import wellbeing

    assert wellbeing.why_away(Unavailable(said)) == names
    assert not wellbeing.is_ready(names)


@pytest.mark.parametrize(
    "ahead, named", [("1 minute", False), ("61 seconds", False), ("1 hour", True), ("10 years", True), ("-1 hour", False)]
)
def test_readyz_names_due_times_ahead_of_a_clock_that_was_set_back(api: Api, ahead: str, named: bool) -> None:
    from app.db import transaction

    with transaction() as db:
        db.execute(text(f"update check_state set next_due_at = now() + interval '{ahead}' where name = 'web'"))
    assert ("checks:due-in-future" in missing_now(api)[1]) is named


def test_a_paused_check_is_due_whenever(api: Api) -> None:
    from app.db import transaction

    with transaction() as db:
        db.execute(text("update check_state set next_due_at = now() + interval '1 day', paused = true"))
    assert "checks:due-in-future" not in missing_now(api)[1]


def test_a_worker_that_is_gone_is_missed_until_somebody_takes_its_queues(api: Api) -> None:
    from app import beats
    from app.db import transaction

    with transaction() as db:
        beats.touch(db, "worker", {"queues": ["health@paris"]})
    assert "worker:health@paris" not in missing_now(api)[1]
    with transaction() as db:
        db.execute(text("update process_beat set seen_at = now() - interval '5 minutes', name = 'far:7:1'"))
    assert "worker:health@paris" in missing_now(api)[1]
    with transaction() as db:
        beats.touch(db, "worker", {"queues": ["health@paris", "health"]})
    assert "worker:health@paris" not in missing_now(api)[1]


@pytest.mark.parametrize(
    "free, embedded, expected",
    [
        (65 << 20, True, []),
        (63 << 20, True, ["disk:nearly-full"]),
        (1 << 19, True, ["database", "disk:full"]),
        (1 << 19, False, ["disk:full"]),
    ],
    ids=["enough", "little", "nothing", "nothing, and the database is elsewhere"],
)
def test_a_full_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, embedded: bool, expected: list[str]
) -> None:
    from app.supervisor import room as disks

    disk_with(free, monkeypatch)
    assert disks.missing(tmp_path, embedded) == expected
    assert disks.missing(tmp_path / "not" / "there", embedded) == []


def test_readyz_names_a_full_disk(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.settings import settings

    settings().home.mkdir(exist_ok=True)
    disk_with(10 << 20, monkeypatch)
    assert "disk:nearly-full" in missing_now(api)[1]
    disk_with(0, monkeypatch)
    assert "disk:full" in missing_now(api)[1]


def test_the_newest_file_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    from app import migrations

    assert ScriptDirectory(os.path.dirname(migrations.__file__)).get_current_head() == migrations.head()


def test_metrics_take_the_token_as_bearer_or_password(api: Api) -> None:
    api.raise_alerts({"key": "x"})
    response = api.call("GET", "/metrics", "vi")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'tocsin_alerts{state="firing"} 1.0' in lines
    assert 'tocsin_incidents{state="triggered"} 0.0' in lines
    assert any(line.startswith("tocsin_build_info{version=") for line in lines)
    basic = base64.b64encode(f"anybody:{api.tokens['vi']}".encode()).decode()
    assert api.call("GET", "/metrics", None, headers={"Authorization": f"Basic {basic}"}).text.splitlines()[:4] == lines[:4]
    for header in ("", "Basic", "Basic !!", "Basic eDp5", "Bearer x"):
        assert api.call("GET", "/metrics", None, headers={"Authorization": header}).status_code == 401


def test_the_reference_loads_nothing_from_elsewhere(api: Api) -> None:
    response = api.call("GET", "/api/docs", None)
    assert response.status_code == 200
    assert "/api/v1/incidents/{number}/acknowledge" in response.text
    assert re.findall(r"(?:src|href|action)=\W?(?:https?:)?//|@import|url\(", response.text) == []
    assert "script-src" not in response.headers["content-security-policy"]


def test_the_reference_shows_code_as_code(api: Api) -> None:
    page = api.call("GET", "/api/docs", None).text
    assert "<code>Authorization: Bearer TOKEN</code>" in page
    assert "`" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL), "schemas are JSON as it is"


def test_the_openapi_document_has_every_noun(api: Api) -> None:
    document = api.get("/api/openapi.json", as_=None)
    assert document["openapi"].startswith("3.")
    assert {"/api/v1/events", "/api/v1/incidents", "/api/v1/preview", "/api/v1/config/apply"} <= set(document["paths"])
    assert all("default" in one["responses"] for path in document["paths"].values() for one in path.values())
    json.dumps(document)


def test_every_answer_carries_the_safety_headers_and_a_trace(api: Api) -> None:
    for path in ("/healthz", "incidents", "nope", "/metrics", "/a/x"):
        headers = api.call("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert len(headers["x-trace-id"]) == 16
        assert "server" not in headers


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "incidents"), ("POST", "events"), ("GET", "me"), ("POST", "config/plan"), ("GET", "/metrics"),
        ("POST", "/in/" + "0" * 32),
    ],
)  # fmt: skip
def test_without_the_database_every_route_says_try_again(api: Api, no_database: None, method: str, path: str) -> None:
    response = api.call(method, path, json={"events": []} if method == "POST" else None)
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert response.elapsed.total_seconds() < 3


def test_without_the_database_links_say_so_in_words(api: Api, no_database: None) -> None:
    response = api.call("GET", "/a/x", None)
    assert response.status_code == 503
    assert response.headers["content-type"].startswith("text/html")
    assert api.get("/healthz", as_=None) == {"ok": True}
