"""The real application behind a real uvicorn, used as a browser without JavaScript uses it."""

import html
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
import uvicorn
from sqlalchemy import Engine

from tests import snapshot

if TYPE_CHECKING:
    from app.incidents.model import Incident


PASSWORD = "correct horse battery"
CONFIGURATION = """
defaults: {timezone: Europe/Paris}
teams: {shop: {members: [ada, bo]}}
users:
  ada: {name: Ada, role: responder}
  bo: {role: responder, contacts: {hook: "bo"}}
  ed: {role: editor}
  vi: {role: viewer}
  root: {role: admin}
platform: {owners: ["user:root"]}
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9/hook"}}
services: {shop: {team: shop, runbook: shop-down}, db: {}}
schedules:
  primary:
    timezone: Europe/Paris
    layers: [{name: week, users: [ada, bo], every: 1w, handoff: "Mon 09:00", start: 2026-01-05}]
policies:
  shop: {steps: [{page: "schedule:primary", wait: 5m}, {page: ["team:shop"], wait: 10m}], if_exhausted: ["user:ed"]}
  rest: {steps: [{page: "user:ada"}]}
routes:
  - {match: 'service="shop"', policy: shop}
  - {policy: rest}
checks:
  web: {probe: health.tcp, service: shop, every: 1m, with: {host: 127.0.0.1, port: 9}}
rules:
  slow: {kind: threshold, check: web, metric: seconds, above: 1, clear: 0.5, severity: warning, mode: shadow, owner: shop}
"""
RUNBOOK = """# The shop is down

- [ ] Look at it. <script>alert('run')</script> <img src=x onerror=alert(1)>
- [x] [bad](javascript:alert(1)) [good](https://example.org)
"""


def stored(text: str) -> str:
    """Text as a page carries it."""
    return html.escape(text)


@dataclass
class Site:
    """A browser without JavaScript."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)
    headers: dict[str, str] = field(default_factory=dict)  # that its forms carry beside those of every browser

    def get(self, path: str, status: int = 200, **rest: Any) -> str:
        response = self.session.get(self.url + path, allow_redirects=False, timeout=20, **rest)
        assert response.status_code == status, response.text[:2000]
        return response.text

    def post(self, path: str, status: int = 303, /, **typed: Any) -> requests.Response:
        """Send a form as a page of ours would: with its token and the Origin that browsers add."""
        typed.setdefault("csrf", self.token())
        sent = {"Origin": self.url, **self.headers}
        response = self.session.post(self.url + path, data=typed, headers=sent, allow_redirects=False, timeout=20)
        assert response.status_code == status, (response.status_code, response.text[:2000])
        return response

    def sending(self, headers: dict[str, str]) -> "Site":
        """The same browser, whose forms carry these headers."""
        return replace(self, headers=headers)

    def token(self) -> str:
        from app.web.guard import form_token

        known = {cookie.name: cookie.value for cookie in self.session.cookies}
        bound = next((value for name, value in known.items() if "session" in name), None)
        bound = bound or next((value for name, value in known.items() if "visitor" in name), "")
        return form_token(bound or "")

    def as_(self, login: str) -> "Site":
        """The same site for somebody who has logged in."""
        from app.db import transaction
        from app.people import session as sessions
        from app.people import store
        from app.settings import settings
        from app.web.guard import cookie_name

        with transaction() as db:
            known = store.credentials(db, login)
        assert known is not None
        other = Site(self.url)
        other.session.cookies.set(cookie_name("session"), sessions.seal(settings().key, sessions.Session(login, known[1])))
        return other

    def toast(self) -> str:
        """What the next page tells of the last deed."""
        found = re.search(r'<div class="toast">(.*?)</div>', self.get("/"), re.DOTALL)
        return found[1] if found else ""


@pytest.fixture(scope="session")
def server(engine: object) -> Iterator[str]:
    """A server of this test process; its URL."""
    from app.server import create

    config = uvicorn.Config(
        create(), port=0, log_config=None, ws="none", proxy_headers=False, timeout_graceful_shutdown=1
    )  # as `tocsin web`
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def site(clean: None, engine: Engine, server: str) -> Iterator[Site]:
    """Nobody's browser, on a database that holds the configuration above."""
    made = begin(engine, "site", Site(server), lambda _: None)
    yield made
    made.session.close()


def begin(engine: "Engine", name: str, site: Site, more: Callable[[Site], None]) -> Site:
    """The site, on an empty database that is filled with the configuration above and what `more` does; see tests.snapshot."""
    from app.web import frame

    def fill() -> None:
        _apply()
        more(site)

    snapshot.begin(engine, name, fill)
    frame.invalidate()
    return site


def _apply() -> None:
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    found = load_texts({"all.yaml": CONFIGURATION, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))


@pytest.fixture
def ada(site: Site) -> Site:
    """A responder's browser."""
    return site.as_("ada")


def raise_alert(summary: str, service: str = "shop", severity: str = "error", **rest: Any) -> int:
    """An alert from outside, through the line up to its incident and first pages; the incident's number."""
    from sqlalchemy import text

    from app import line
    from app.alerts import service as alerts
    from app.catalog.model import Severity
    from app.db import transaction
    from app.signals.model import Signal, SignalStatus

    age = rest.pop("age", timedelta(0))
    now = datetime.now(UTC) - age
    source = rest.pop("source", "integration:test")
    signal = Signal(source, summary, SignalStatus.FIRING, summary, Severity(severity), service=service, **rest)
    with transaction() as db:
        alerts.accept(db, [signal], now)
    line.dedup()
    line.escalate()
    found = text("select incident from alert where fingerprint = :fingerprint order by id desc limit 1")
    with transaction() as db:
        return int(db.scalar(found, {"fingerprint": signal.fingerprint}) or 0)


def incident(number: int) -> "Incident":
    """An incident as it stands."""
    from app.db import transaction
    from app.incidents import store

    with transaction() as db:
        found = store.get(db, number)
    assert found is not None
    return found


def deliver_inbox() -> None:
    """Send what is due to inboxes; every other channel of these tests leads nowhere."""
    from sqlalchemy import text

    from app.db import transaction

    with transaction() as db:
        db.execute(text("update page set state = 'delivered', ended_at = now() where channel = 'inbox' and state = 'queued'"))


def measure(name: str, values: list[float], seconds: float = 60.0) -> None:
    """Results of a check, one every so many seconds up to now."""
    from app.checks import store
    from app.checks.model import Result
    from app.checks.probe import Status
    from app.db import transaction
    from app.upkeep import make_partitions

    now = datetime.now(UTC)
    first = now - timedelta(seconds=seconds * len(values))
    rows = [
        Result(name, first + timedelta(seconds=seconds * n), Status.OK, "fine", value, {"seconds": value})
        for n, value in enumerate(values)
    ]
    with transaction() as db:
        make_partitions(db, now)
        store.finish(db, rows)
