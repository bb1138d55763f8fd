"""Audit log: who changed what, when, from what to what?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.errors import Invalid
from app.people import store
from app.people.model import AuditEntry
from app.web import wall
from app.web.route import pages
from app.web.template import path
from app.web.visit import Visit, visit

router = pages()
PAGE = 50
TOCSIN = "tocsin:"  # stands for Tocsin itself in the filter; no login holds a colon
KINDS = {
    "": "everything", "incident.": "incidents", "config.": "configuration", "oncall.": "on call", "check.": "checks",
    "heartbeat.": "heartbeats", "integration.": "integrations", "user.": "users", "token.": "API tokens",
    "session.": "sessions",
}  # fmt: skip
# Where a thing is shown, by the kind that its name begins with.
SHOWN = {"incident": "incidents", "user": "users", "check": "checks", "heartbeat": "heartbeats"}
ELSEWHERE = {"config": "/config", "integration": "/admin#integrations", "schedule": "/oncall", "override": "/oncall"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the page of the thing, what changed in it, and whatever else was recorded."""

    entry: AuditEntry
    link: str | None
    changes: Sequence[Mapping[str, str]]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for, as it stands in the URL."""

    person: str
    action: str
    thing: str
    start: str
    end: str

    @property
    def narrow(self) -> bool:
        """Whether anything is asked for."""
        return any(self._known.values())

    def url(self, before: int | None = None) -> str:
        """The page from below this id."""
        known = {name: value for name, value in {**self._known, "before": before}.items() if value}
        return "/admin/audit" + (f"?{urlencode(known)}" if known else "")

    @property
    def _known(self) -> dict[str, str]:
        return {"person": self.person, "action": self.action, "thing": self.thing, "start": self.start, "end": self.end}


@router.get("/admin/audit")
def audit(
    request: Request,
    person: Annotated[str, Query(max_length=128)] = "",
    action: Annotated[str, Query(max_length=64)] = "",
    thing: Annotated[str, Query(max_length=512)] = "",
    start: Annotated[str, Query(max_length=64)] = "",
    end: Annotated[str, Query(max_length=64)] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Every change, newest first; an invalid filter shows its error and finds nothing."""
    wanted = Filter(person.strip(), action.strip(), thing.strip(), start, end)
    with visit(request) as v:
        found, error = list[AuditEntry](), ""
        try:
            found = _found(v, wanted, before)
        except Invalid as invalid:
            error = str(invalid)
        return v.page(
            "audit.html",
            lines=[_line(one) for one in found[:PAGE]],
            filter=wanted,
            error=error,
            kinds=KINDS if wanted.action in KINDS else {**KINDS, wanted.action: wanted.action},
            logins=sorted(store.directory(v.db, "UTC").people),
            tocsin=TOCSIN,
            newest=None if before is None else wanted.url(),
            older=wanted.url(found[PAGE - 1].id) if len(found) > PAGE else None,
        )


def _found(v: Visit, wanted: Filter, before: int | None) -> list[AuditEntry]:
    """The entries that match. Raises Invalid for a time that cannot be parsed."""
    return store.audited(
        v.db,
        actor=("" if wanted.person == TOCSIN else wanted.person) if wanted.person else None,
        action=wanted.action or None,
        object_=wanted.thing.replace("incident #", "incident:").replace(" ", ":", 1) or None,
        since=wall.parse(wanted.start, v.zone, "from") if wanted.start else None,
        until=wall.parse(wanted.end, v.zone, "to") if wanted.end else None,
        before=before,
        limit=PAGE + 1,
    )


def _line(entry: AuditEntry) -> Line:
    kind, _, name = entry.object.partition(":")
    link = path(SHOWN[kind], name) if kind in SHOWN and name else ELSEWHERE.get(kind)
    changes = entry.detail.get("changes")
    known = changes if isinstance(changes, list) and all(isinstance(one, dict) for one in changes) else []
    before, after = entry.detail.get("before"), entry.detail.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        return Line(entry, link, _fields(before, after), _facts(entry.detail, "before", "after"))
    return Line(entry, link, known, _facts(entry.detail, *(["changes"] if known else [])))


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """What differs between two forms of a thing, a field each."""
    return [
        {
            "action": "changed",
            "kind": name.replace("_", " "),
            "name": "",
            "detail": f"{_said(before.get(name))} -> {_said(now)}",
        }
        for name, now in after.items()
        if now != before.get(name)
    ]


def _facts(detail: Mapping[str, Any], *but: str) -> dict[str, str]:
    return {name: _written(value) for name, value in detail.items() if name not in but}


def _said(value: Any) -> str:
    return "none" if value is None else _written(value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_written(one) for one in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
