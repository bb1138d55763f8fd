"""The real application behind a real uvicorn, asked over HTTP; one person of each role has a token."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
import uvicorn
from sqlalchemy import Engine

from tests import snapshot

if TYPE_CHECKING:
    from app.configfile.model import Loaded


CONFIGURATION = """
teams: {shop: {members: [ada, bo]}}
users:
  ada: {role: responder}
  bo: {role: responder, timezone: America/New_York, contacts: {hook: "bo"}, notify: {high: [hook, {contact: inbox, after: 2m}]}}
  ed: {role: editor}
  vi: {role: viewer}
  root: {role: admin}
platform: {owners: ["user:root"]}
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9/hook"}}
services: {shop: {team: shop, tier: critical, runbook: shop-down}, db: {}}
schedules:
  primary:
    timezone: Europe/Paris
    layers: [{name: week, users: [ada, bo], every: 1w, handoff: "Mon 09:00", start: 2026-11-02}]
policies:
  shop: {steps: [{page: "schedule:primary", wait: 5m}, {page: ["team:shop"], wait: 10m}], if_exhausted: ["user:ed"]}
  rest: {steps: [{page: "user:ada"}]}
routes:
  - {match: 'service="shop"', policy: shop}
  - {policy: rest}
checks:
  web: {probe: health.tcp, service: shop, every: 1m, with: {host: 127.0.0.1, port: 9}}
  quiet: {probe: health.tcp, alert: off, with: {host: 127.0.0.1, port: 9}}
rules:
  slow: {kind: threshold, check: web, metric: seconds, above: 1, severity: warning, mode: shadow, owner: shop}
"""
RUNBOOK = "# The shop is down\n\nLook at it.\n"


@dataclass
class Api:
    """A client; `as_` is whose token is sent, None sends none."""

    url: str
    tokens: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, as_: str | None = "root", **rest: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[as_]}"} if as_ else {}
        headers |= rest.pop("headers", {})
        where = (
            path
            if path.startswith(("/api", "/in", "/a/", "/healthz", "/readyz", "/metrics", "/v2", "/ping"))
            else f"/api/v1/{path}"
        )
        return self.session.request(method, self.url + where, headers=headers, allow_redirects=False, timeout=20, **rest)

    def get(self, path: str, status: int = 200, **rest: Any) -> Any:
        return self._told(self.call("GET", path, **rest), status)

    def post(self, path: str, body: Any = None, status: int = 200, **rest: Any) -> Any:
        return self._told(self.call("POST", path, json=body, **rest), status)

    def patch(self, path: str, body: Any = None, status: int = 200, **rest: Any) -> Any:
        return self._told(self.call("PATCH", path, json=body, **rest), status)

    def delete(self, path: str, status: int = 204, **rest: Any) -> Any:
        return self._told(self.call("DELETE", path, **rest), status)

    def raise_alerts(self, *events: dict[str, Any], **rest: Any) -> Any:
        return self.post("events", {"events": [{"service": "shop", **event} for event in events]}, 202, **rest)

    def _told(self, response: requests.Response, status: int) -> Any:
        assert response.status_code == status, response.text
        if status >= 400:
            assert response.headers["content-type"] == "application/problem+json"
            problem = response.json()
            assert {"type", "title", "status", "detail", "instance", "trace_id"} <= set(problem)
            assert problem["status"] == status
        return response.json() if response.content else None


@pytest.fixture(scope="session")
def server(engine: object) -> Iterator[str]:
    """A server of this test process; its URL."""
    from app.door import Server
    from app.server import create

    config = uvicorn.Config(
        create(), port=0, log_config=None, ws="none", proxy_headers=False, server_header=False, timeout_graceful_shutdown=1
    )
    running = Server(config, 1024)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="session")
def loaded() -> "Loaded":
    """The configuration above."""
    from app.configfile.load import load_texts

    found = load_texts({"all.yaml": CONFIGURATION, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == ()
    return found


@pytest.fixture
def api(clean: None, engine: Engine, server: str, loaded: "Loaded") -> Iterator[Api]:
    """A client on a database that holds that configuration and nothing else."""
    client = Api(server, dict(snapshot.begin(engine, "api", lambda: _fill(loaded))))
    yield client
    client.session.close()


def _fill(loaded: "Loaded") -> dict[str, str]:
    """Apply that configuration; a token of each user."""
    from app.configfile.apply import apply
    from app.db import transaction
    from app.people.model import SYSTEM
    from app.people.service import make_token

    now = datetime.now(UTC)
    with transaction() as db:
        apply(db, loaded, SYSTEM, now)
        return {login: make_token(db, login, "test", SYSTEM, now) for login in ("ada", "bo", "ed", "vi", "root")}
