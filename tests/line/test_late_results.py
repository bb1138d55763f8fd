"""A target that hangs holds up its worker for a moment only, and its result is kept when it comes."""

import socket
import time

from sqlalchemy import text

from app import clock, measure
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM

CONFIG = """
users: {ada: {}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
checks:
  hangs: {probe: health.http, timeout: 4s, with: {url: "http://127.0.0.1:PORT/"}}
  well: {probe: health.tcp, with: {host: 127.0.0.1, port: PORT}}
"""


def statuses() -> dict[str, str | None]:
    with transaction() as db:
        return {row.name: row.status for row in db.execute(text("select name, status from check_state"))}


def test_a_check_that_hangs_does_not_keep_its_worker_and_is_critical_in_the_end(clean: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        loaded = load_texts({"a.yaml": CONFIG.replace("PORT", str(silent.getsockname()[1]))}, {})
        assert not loaded.errors
        with transaction() as db:
            apply(db, loaded, SYSTEM, clock.now(db))
        began = time.monotonic()
        assert measure.check(["hangs", "well"]) == ["well"]
        assert time.monotonic() - began < 4
        assert statuses() == {"hangs": None, "well": "ok"}
        while statuses()["hangs"] is None and time.monotonic() - began < 20:
            time.sleep(0.05)
        assert statuses()["hangs"] == "critical"
