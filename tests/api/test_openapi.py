"""The OpenAPI document is true: every operation, called once, answers as its schema says; the examples are such answers.

With WRITE_EXAMPLES=1 the story writes app/api/examples.json anew.
"""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote

import orjson
import pytest
from jsonschema_rs import validator_for

from app.api import reference
from app.db import transaction
from app.people.model import SYSTEM, Role
from app.people.service import invite, make_token
from tests.api.beats import HEARTBEATS
from tests.api.conftest import CONFIGURATION, Api
from tests.web.watching import results, worker

PORTS = "  ports: {probe: security.open_ports, service: shop, every: 1m, with: {host: 127.0.0.1, ports: 1-100}}\n"
DECLARED = CONFIGURATION.replace("checks:\n", f"checks:\n{PORTS}", 1) + HEARTBEATS
RUNBOOK = "# The shop is down\n"
MOST, LONGEST = 2, 300  # entries of a list, and characters of a text, that an example shows
HERE = "http://127.0.0.1:8080"
KEY = "9w4x0k2m7q1t8b5d3f6h9j2l4n7p0r3s"  # stands for every integration's key


class Story:
    """Calls, each held against the document."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.document = api.get("/api/openapi.json", as_=None)
        self.told: dict[str, dict[str, Any]] = {}

    def call(self, operation: str, body: Any = None, query: str = "", as_: str = "root", **path: object) -> Any:
        """Make a call, `METHOD TEMPLATE`; its answer, once that is what the document says."""
        method, _, template = operation.partition(" ")
        where = "/api/v1/" + template.format(**{name: quote(str(value), safe="") for name, value in path.items()})
        documented = self.document["paths"][f"/api/v1/{template}"][method.lower()]
        response = self.api.call(method, f"{where}?{query}" if query else where, as_, json=body)
        (status,) = set(documented["responses"]) - {"default"}
        assert response.status_code == int(status), response.text
        told = self.told[f"{method} /api/v1/{template}"] = {}
        if path or query:
            told["parameters"] = {**path, **dict(parse_qsl(query))}
        if body is not None:
            told["request"] = body
            self.holds(documented["requestBody"]["content"]["application/json"]["schema"], body)
        content = documented["responses"][status].get("content")
        if content is None:
            assert response.content == b""
            return None
        assert set(content) == {response.headers["content-type"].partition(";")[0]}
        if "application/json" not in content:
            return response.content
        answer = response.json()
        self.holds(content["application/json"]["schema"], answer)
        told["response"] = answer
        return answer

    def holds(self, schema: Mapping[str, Any], value: Any) -> None:
        """Raises AssertionError for what the schema does not describe."""
        assert errors(self.document, schema, value) == []


def errors(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with a value; a field that is not documented is wrong, too."""
    whole = {**strict(schema), "components": strict(document["components"])}
    judge = validator_for(whole, validate_formats=True)
    return [f"{'.'.join(map(str, one.instance_path))}: {one.message}" for one in judge.iter_errors(value)]


def strict(schema: Any) -> Any:
    """The same without room for fields that are not described."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(one) for key, one in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


@pytest.fixture
def story(api: Api) -> Story:
    """An API with something of everything in it."""
    from app.checks.probe import Series
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    found = load_texts({"all.yaml": DECLARED, "runbooks/shop-down.md": RUNBOOK}, {})
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    results(
        "web", 3, lambda n: {"metrics": {"seconds": 0.1 + n}, "series": (Series("failed", float(n), {"source": "10.0.0.1"}),)}
    )
    seen = {"tcp/22": "open", "tcp/80": "open"}
    results("ports", 2, lambda n: {"observed": seen if n == 0 else {"tcp/22": "open", "tcp/8080": "open"}})
    return Story(api)


def test_every_operation_answers_as_its_schema_says(story: Story) -> None:
    incidents(story)
    checks(story)
    heartbeats(story)
    on_call(story)
    configuration(story)
    operations = {f"{method.upper()} {path}" for path, found in story.document["paths"].items() for method in found}
    assert operations - set(story.told) == set()
    if os.environ.get("WRITE_EXAMPLES"):
        write(story.told)


def incidents(story: Story) -> None:
    from app import line, pager

    event = {
        "key": "disk-db1",
        "severity": "critical",
        "summary": "The disk of db1 is full",
        "service": "shop",
        "labels": {"host": "db1"},
    }
    links = {"links": ["https://grafana.example.org/d/disk"], "starts_at": datetime.now(UTC).isoformat()}
    story.call("POST preview", {"labels": {"service": "shop", "host": "db1"}, "severity": "critical"})
    story.call("POST events", {"events": [{**event, **links}]})
    story.api.post("events", {"events": [{"key": "lag", "service": "db", "summary": "Replication is 5 min behind"}]}, 202)
    pager.run_until_idle()
    line.evaluate()
    first, second = (
        one["number"] for one in sorted(story.api.get("incidents")["items"], key=lambda one: one["service"] != "shop")
    )
    story.call("GET incidents", query="state=triggered&sort=worst")
    story.call("GET alerts", query='match=host="db1"')
    story.call("GET incidents/{number}", number=first)
    story.call("GET pages", query=f"incident={first}")
    story.call("GET obligations", query=f"incident={first}")
    story.call("GET incidents/{number}/escalate", query="user=bo", number=first, as_="ada")
    story.call("POST incidents/{number}/escalate", {"step": 2}, number=first, as_="ada")
    story.call("POST incidents/{number}/acknowledge", number=first, as_="ada")
    story.call("POST incidents/{number}/unacknowledge", number=first, as_="ada")
    story.call("POST incidents/{number}/notes", {"text": "Old dumps deleted; 40 GiB are free"}, number=first, as_="ada")
    story.call("POST incidents/{number}/assign", {"user": "bo"}, number=first, as_="ada")
    story.call("POST incidents/{number}/undo", number=first, as_="ada")
    story.call("POST incidents/{number}/snooze", {"seconds": 3600}, number=first, as_="ada")
    story.call("POST incidents/{number}/resolve", number=first, as_="ada")
    story.call("POST incidents/{number}/reopen", number=first, as_="ada")
    story.call("POST incidents/{number}/merge", {"into": first}, number=second, as_="ada")
    wanted = {"target": "user:bo", "summary": "No customer can order", "service": "shop", "details": "Since 14:00, EU only"}
    story.call("POST incidents/preview", wanted, as_="ada")
    story.call("POST incidents", {**wanted, "key": "chat-4711"}, as_="ada")
    story.call("GET analytics", query="days=7&service=shop")
    story.call("GET rules")


def checks(story: Story) -> None:
    story.call("GET checks", query="family=health")
    story.call("GET checks/{name}", name="web")
    story.call("GET checks/{name}/results", query="metric=failed", name="web")
    story.call("GET checks/{name}/results", name="web")
    story.call("GET checks/{name}/curve", query="metric=failed", name="web")
    story.call("GET checks/{name}/baseline", name="ports")
    story.call("POST checks/{name}/baseline", name="ports", as_="ed")
    story.call("POST checks/{name}/pause", {"seconds": 3600, "reason": "moved to a new host"}, name="web", as_="ed")
    story.call("POST checks/{name}/resume", name="web", as_="ed")
    with worker():
        story.call("POST checks/{name}/run", name="web", as_="ada")
        asked = story.call("POST checks/run", {"service": "shop", "match": ['name="web"']}, as_="ada")
        story.call("POST checks/{name}/try", {"with": {"port": 8}, "timeout": 5}, name="web")
        story.call("POST probes/{name}/try", {"with": {"host": "127.0.0.1", "port": 9}}, name="health.tcp")
    story.call("GET checks/runs/{id}", id=asked["id"])


def heartbeats(story: Story) -> None:
    from app import line

    api = story.api
    made = story.call("POST integrations", {"name": "jobs", "kind": "healthchecks", "service": "shop"}, as_="ed")
    story.call("GET integrations", as_="ed")
    story.call("POST integrations/{name}/rotate", name="jobs", as_="ed")
    assert api.call("POST", f"/ping/{made['key']}/nightly-backup/start", None).status_code == 200
    assert api.call("POST", f"/ping/{made['key']}/nightly-backup", None, data=b"42 GiB written").status_code == 200
    assert api.call("GET", f"/ping/{made['key']}/extra?create=1", None).status_code in (200, 201)
    line.evaluate()
    story.call("GET heartbeats", query="limit=100")
    story.call("GET heartbeats/{name}", name="nightly-backup")
    story.call("GET heartbeats/{name}/pings", name="nightly-backup")
    assert story.call("GET heartbeats/{name}/pings/{n}/body", name="nightly-backup", n=2) == b"42 GiB written"
    story.call("POST heartbeats/{name}/pause", {"seconds": 86400, "reason": "no backup"}, name="nightly-backup", as_="ed")
    story.call("POST heartbeats/{name}/resume", name="nightly-backup", as_="ed")
    story.call("DELETE heartbeats/{name}", name="extra", as_="ed")


def on_call(story: Story) -> None:
    story.call("GET oncall", query="at=2026-12-08T03:00:00Z")
    story.call("GET oncall/coverage", query="days=30")
    story.call("GET schedules")
    story.call("GET schedules/{name}", name="primary")
    story.call("GET schedules/{name}/shifts", name="primary")
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    wanted = {"user": "bo", "start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat(), "reason": "dentist"}
    made = story.call("POST schedules/{name}/overrides", wanted, name="primary", as_="bo")
    story.call("GET schedules/{name}/overrides", name="primary")
    story.call(
        "PATCH schedules/{name}/overrides/{override_id}",
        {"reason": "dentist, again"},
        name="primary",
        override_id=made["id"],
        as_="bo",
    )
    story.call("DELETE schedules/{name}/overrides/{override_id}", name="primary", override_id=made["id"], as_="bo")


def configuration(story: Story) -> None:
    files = {"files": {"all.yaml": DECLARED.replace("above: 1,", "above: 2,", 1), "runbooks/shop-down.md": RUNBOOK}}
    story.call("GET config", query="files=true", as_="ed")
    story.call("POST config/plan", files)
    story.call("POST config/apply", files)
    story.call("GET users")
    with transaction() as db:
        invite(db, "eve", Role.RESPONDER, "Eve", SYSTEM, datetime.now(UTC))
        story.api.tokens["eve"] = make_token(db, "eve", "test", SYSTEM, datetime.now(UTC))
    story.call("PUT me/contacts", {"contacts": {"hook": "eve"}}, as_="eve")
    rules = {"high": [{"contact": "hook"}, {"contact": "inbox", "after": 120}], "low": [{"contact": "inbox"}]}
    quiet = {"from": "22:00", "to": "07:00"}
    story.call("PUT me/settings", {"timezone": "Europe/Paris", "notify": rules, "quiet_hours": quiet}, as_="eve")
    story.call("GET me/reach", query="at=2026-12-01T02:00:00Z", as_="eve")
    story.call("GET me", as_="bo")
    story.call("GET audit", query="object=override:1")


def write(told: Mapping[str, Any]) -> None:
    """Keep the calls as examples: lists short, keys and long texts cut. What differs in chance alone stays as it was."""
    made = {operation: {side: shortened(value) for side, value in sides.items()} for operation, sides in sorted(told.items())}
    for operation, example in made.items():
        if shape(EXAMPLES.get(operation)) == shape(example):
            made[operation] = EXAMPLES[operation]
    reference.EXAMPLES.write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n")


def shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [shortened(one) for one in value[:MOST]]
    if isinstance(value, dict):
        key = {"key": KEY} if len(str(value.get("key"))) == len(KEY) else {}
        return {**{name: shortened(one) for name, one in value.items()}, **key}
    if isinstance(value, str):
        value = re.sub(r"/in/\w{32}", f"/in/{KEY}", value.replace(HERE, "https://tocsin.example.org"))
        return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."
    return value


CHANCE = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16,}\b|\b[\w-]{40,}\b"
)
COUNTED = {"id", "seconds", "run_seconds", "mean", "median", "p90"}


def shape(value: Any) -> Any:
    """An example without times, ids and what was measured."""
    if isinstance(value, list):
        return [shape(one) for one in value]
    if isinstance(value, dict):
        return {name: 0 if name in COUNTED and one is not None else shape(one) for name, one in value.items()}
    return CHANCE.sub("*", value) if isinstance(value, str) else value


EXAMPLES: dict[str, dict[str, Any]] = orjson.loads(reference.EXAMPLES.read_bytes())


@lru_cache
def document() -> dict[str, Any]:
    from app.server import create

    return reference.document(create())


def test_every_operation_has_an_example_that_its_schema_describes() -> None:
    made, wrong = document(), []
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            (answered,) = (one for status, one in operation["responses"].items() if status != "default")
            for of in (operation.get("requestBody", {}), answered):
                content = of.get("content", {}).get("application/json")
                if content is None:
                    continue
                if "example" in content:
                    wrong += errors(made, content["schema"], content["example"])
                elif of.get("required", True):
                    wrong.append(f"{method} {path} has no example: run this file with WRITE_EXAMPLES=1")
    assert wrong == []
    assert EXAMPLES.keys() <= {f"{method.upper()} {path}" for path, found in made["paths"].items() for method in found}


def test_types_have_names_for_people() -> None:
    names = document()["components"]["schemas"]
    assert [name for name in names if "Public" in name or "_" in name] == []
    assert {"Alert", "AlertList", "Incident", "Dossier", "Page", "Problem", "Event"} <= set(names)


@pytest.mark.parametrize(
    "change, wrong",
    [
        ({}, ""),
        ({"number": "1"}, "number"),
        ({"colour": "red"}, "colour"),
        ({"state": "open"}, "state"),
        ({"opened_at": "now"}, "opened_at"),
    ],
)
def test_what_a_schema_does_not_describe_is_found(change: dict[str, Any], wrong: str) -> None:
    incident = {**EXAMPLES["POST /api/v1/incidents/{number}/acknowledge"]["response"], **change}
    found = " ".join(errors(document(), {"$ref": "#/components/schemas/Incident"}, incident))
    assert wrong in found if wrong else not found
