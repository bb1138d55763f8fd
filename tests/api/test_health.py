"""Liveness, readiness, figures, the reference, and what happens when the database is away."""

import base64
import json
import os
from collections.abc import Iterator

import pytest

from tests.api.conftest import Api


def test_healthz_needs_nothing(api: Api) -> None:
    assert api.get("/healthz", as_=None) == {"ok": True}


def test_readyz_names_what_is_missing_and_needs_a_pager(api: Api) -> None:
    import time

    from app import beats
    from app.db import transaction

    time.sleep(0.55)  # an answer is good for half a second
    response = api.call("GET", "/readyz", None)
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert {"pager", "beat", "worker:health", "worker:notify"} <= set(response.json()["missing"])
    with transaction() as db:
        beats.touch(db, "pager")
        beats.touch(db, "worker", {"queues": ["health"]})
    time.sleep(0.55)
    response = api.call("GET", "/readyz", None)
    assert response.status_code == 200
    assert response.json()["ready"] is True
    assert "worker:health" not in response.json()["missing"]
    assert {"beat", "worker:notify"} <= set(response.json()["missing"])
    assert "broker" not in response.json()["missing"]


def test_the_newest_file_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    from app import migrations

    assert ScriptDirectory(os.path.dirname(migrations.__file__)).get_current_head() == migrations.head()


def test_metrics_take_the_token_as_bearer_or_password(api: Api) -> None:
    api.raise_alerts({"key": "x"})
    response = api.call("GET", "/metrics", "vi")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'tocsin_alerts{state="firing"} 1' in lines
    assert 'tocsin_incidents{state="triggered"} 0' in lines
    assert any(line.startswith("tocsin_build_info{version=") for line in lines)
    basic = base64.b64encode(f"anybody:{api.tokens['vi']}".encode()).decode()
    assert api.call("GET", "/metrics", None, headers={"Authorization": f"Basic {basic}"}).text.splitlines()[:4] == lines[:4]
    for header in ("", "Basic", "Basic !!", "Basic eDp5", "Bearer x"):
        assert api.call("GET", "/metrics", None, headers={"Authorization": header}).status_code == 401


def test_the_reference_loads_nothing_from_elsewhere(api: Api) -> None:
    response = api.call("GET", "/api/docs", None)
    assert response.status_code == 200
    assert "/api/v1/incidents/{number}/acknowledge" in response.text
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert "script-src" not in response.headers["content-security-policy"]


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


@pytest.fixture
def outage(api: Api) -> Iterator[None]:
    """PostgreSQL is away for the server."""
    from app import db

    pid = os.getpid()
    real = db.engine()
    db._engines[pid] = db.connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    yield
    db._engines[pid].dispose()
    db._engines[pid] = real


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "incidents"), ("POST", "events"), ("GET", "me"), ("POST", "config/plan"), ("GET", "/metrics"),
        ("POST", "/in/" + "0" * 32),
    ],
)  # fmt: skip
def test_without_the_database_every_route_says_try_again(api: Api, outage: None, method: str, path: str) -> None:
    response = api.call(method, path, json={"events": []} if method == "POST" else None)
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert response.elapsed.total_seconds() < 3


def test_without_the_database_links_say_so_in_words(api: Api, outage: None) -> None:
    response = api.call("GET", "/a/x", None)
    assert response.status_code == 503
    assert response.headers["content-type"].startswith("text/html")
    assert api.get("/healthz", as_=None) == {"ok": True}
