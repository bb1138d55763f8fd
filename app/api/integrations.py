"""Integrations and their keys."""

from fastapi import Response
from pydantic import Field

from app import clock
from app.api.answer import after, answer, listed
from app.api.caller import Caller, router
from app.api.field import SMALL_LIST, Body, Cursor, Limit, Name, Text
from app.api.forms import Listed, PublicIntegration
from app.db import transaction
from app.people.model import Actor
from app.people.permission import may
from app.signals import service

routes = router("integrations")


class Added(Body):
    """A new integration; `service` is the service of its alerts unless they name one."""

    name: Text = Field(min_length=1, max_length=128)
    kind: Text = Field(default="generic", max_length=64)
    service: Text | None = Field(default=None, max_length=256)


@routes.get("/integrations", response_model=Listed[PublicIntegration])
def integrations(caller: Caller, cursor: Cursor = None, limit: Limit = SMALL_LIST) -> Response:
    """List integrations by name; the keys are for editors."""
    last = after(cursor) or ""
    with transaction() as db:
        rows = [row for row in service.listed(db, clock.now(db)) if row["name"] > last]
    return listed(rows[: limit + 1], limit, lambda row: row["name"], lambda row: _for(caller, row))


@routes.post("/integrations", status_code=201, response_model=PublicIntegration)
def add(caller: Caller, body: Added) -> Response:
    """Create an integration; returns its key and URL."""
    with transaction() as db:
        made = service.add(db, body.name, body.kind, body.service, caller, clock.now(db))
    return answer(made, 201)


@routes.post("/integrations/{name}/rotate", response_model=PublicIntegration)
def rotate(caller: Caller, name: Name) -> Response:
    """Create a new key; the old one stays valid for seven days."""
    with transaction() as db:
        return answer(service.rotate(db, name, caller, clock.now(db)))


def _for(caller: Actor, row: dict[str, str]) -> dict[str, str | None]:
    return {**row} if may(caller.role, "edit") else {**row, "key": None, "url": None}
