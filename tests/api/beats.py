"""Heartbeats declared for the API's tests, and short ways to ask how they stand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app import line
from tests.api.conftest import CONFIGURATION, Api

HEARTBEATS = """
heartbeats:
  nightly-backup: {service: shop, cron: "15 2 * * *", timezone: Europe/Paris, grace: 30m, runbook: shop-down}
  Invoice-Run: {every: 1h, grace: 10m}
  same: {every: 1h}
  Same: {every: 1h}
"""
RID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.fixture
def beats(api: Api) -> Api:
    """The API with heartbeats declared."""
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    found = load_texts({"all.yaml": CONFIGURATION + HEARTBEATS, "runbooks/shop-down.md": "# Down\n"}, {})
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    return api


@pytest.fixture
def key(beats: Api) -> str:
    return str(beats.post("integrations", {"name": "jobs", "kind": "healthchecks", "service": "shop"}, 201)["key"])


def beat(api: Api, name: str = "nightly-backup") -> dict[str, Any]:
    """How it stands after whoever judges has looked."""
    line.evaluate()
    found: dict[str, Any] = api.get(f"heartbeats/{name}")
    return found


def path_of(api: Api, name: str = "nightly-backup") -> str:
    return "/ping/" + str(api.get(f"heartbeats/{name}")["ping_url"]).rpartition("/")[2]


def pings(api: Api, name: str = "nightly-backup") -> list[dict[str, Any]]:
    line.evaluate()
    found: list[dict[str, Any]] = api.get(f"heartbeats/{name}/pings")["items"]
    return found


def kinds(api: Api, name: str = "nightly-backup") -> list[str]:
    return [one["kind"] for one in reversed(pings(api, name))]
