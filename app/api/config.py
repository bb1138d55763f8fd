"""The configuration: the active version, plan, and apply."""

from typing import Annotated, Any

from fastapi import Response
from pydantic import Field

from app import clock
from app.api.answer import answer
from app.api.caller import Caller, router
from app.api.field import Body, Text
from app.api.forms import PublicApplied, PublicPlan, PublicVersion
from app.catalog import store as catalog
from app.configfile import apply as configuration
from app.configfile import store
from app.configfile.export import written
from app.configfile.finding import present
from app.configfile.load import load, load_texts
from app.configfile.model import Loaded
from app.db import transaction
from app.people.model import Actor
from app.people.permission import require
from app.settings import environ, settings

routes = router("configuration")


class Files(Body):
    """The files by path; without them, the server's folder TOCSIN_CONFIG is read."""

    files: Annotated[dict[Annotated[Text, Field(min_length=1, max_length=512)], str], Field(max_length=2000)] | None = None


@routes.get("/config", response_model=PublicVersion)
def config(caller: Caller, files: bool = False) -> Response:
    """The active version, and how many objects of each kind it declares.

    With `files=true`, for editors, also its files: `${VARIABLES}` as written, other secrets as `***`.
    """
    if files:
        require(caller, "edit")
    with transaction() as db:
        texts = {"files": written(store.files(db))} if files else {}
        newest = next(iter(catalog.versions(db, 1)), None)
        counts: dict[str, int] = {}
        for one in store.in_force(db):
            counts[one.kind] = counts.get(one.kind, 0) + 1
    return answer(
        {
            "version": newest.id if newest else 0,
            "applied_at": newest.applied_at if newest else None,
            "applied_by": newest.applied_by if newest else None,
            "digest": newest.digest if newest else None,
            "counts": counts,
            **texts,
        }
    )


@routes.post("/config/plan", response_model=PublicPlan)
def plan(caller: Caller, body: Files | None = None) -> Response:
    """Show what would change, and who would be paged differently; 422 with every error. Changes nothing."""
    require(caller, "edit")
    loaded = _loaded(caller, body)
    with transaction() as db:
        changes = configuration.plan(db, loaded)
        words = configuration.paging(db, loaded, changes, clock.now(db))
    return answer({"changes": [change.record() for change in changes], "paging": words, "warnings": _warnings(loaded)})


@routes.post("/config/apply", response_model=PublicApplied)
def apply(caller: Caller, body: Files | None = None) -> Response:
    """Apply the files, all or nothing; they are active when the response is sent."""
    require(caller, "administer")
    loaded = _loaded(caller, body)
    with transaction() as db:
        applied = configuration.apply(db, loaded, caller, clock.now(db))
    changes = [change.record() for change in applied.changes]
    return answer({"version": applied.version, "changes": changes, "warnings": _warnings(loaded)})


def _loaded(caller: Actor, body: Files | None) -> Loaded:
    """The files to plan or apply. Files in a request may name any variable of this process, so only admins may send them."""
    if body is None or body.files is None:
        return load(settings().config, environ())
    require(caller, "administer")
    return load_texts(body.files, environ())


def _warnings(loaded: Loaded) -> list[dict[str, Any]]:
    return [present(one) for one in loaded.warnings]
