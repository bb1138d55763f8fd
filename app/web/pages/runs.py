"""Run many checks now, and follow the progress."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from app.actions import run as demand
from app.checks import store as checks
from app.checks.model import excused
from app.errors import Invalid
from app.reason import revived
from app.web.pages.checks import ORDER, wanted
from app.web.route import pages
from app.web.visit import Typed, go, visit

router = pages()
SHOWN = 60
TIMEOUT = timedelta(seconds=90)  # longer than any time-out and the wait for a worker: what has not come then does not come
NOTHING = {"status": None, "message": "", "seconds": None}  # of a check that has not answered
WAITING = 3.5  # among the badness of statuses: after what is wrong, before what is well


@router.post("/checks/run")
def run(request: Request, typed: Typed) -> Response:
    """Run all checks that the filter shows; paused ones only where those are asked for."""
    family, status, q = (typed.get(name, "").strip() for name in ("family", "status", "q"))
    with visit(request) as v:
        states = checks.states(v.db)
        found = wanted(v, states, family, status, q)
        names = [one.name for one in found if status == "paused" or not one.paused]
        actor = v.actor
    if not names:
        raise Invalid("no active check matches the filter")
    batch = demand.ask(names, actor)  # has a transaction of its own: a worker must see it
    back = "/checks?" + urlencode({name: text for name, text in (("family", family), ("status", status), ("q", q)) if text})
    return go(f"/checks/runs/{batch.id}?{urlencode({'back': back})}")


@router.get("/checks/runs/{id}")
def show(request: Request, id: str, back: str = "/checks") -> Response:
    """The progress: failed checks first, then waiting ones, then ok ones."""
    with visit(request) as v:
        found = demand.progress(v.db, id)
        late = v.now - found["asked_at"] > TIMEOUT
        items = sorted((_row(one) for one in found["items"]), key=_badness)
        counts: dict[str, int] = {}
        for one in items:
            counts[_how(one)] = counts.get(_how(one), 0) + 1
        return v.page(
            "run.html",
            run=found,
            items=items[:SHOWN],
            more=max(0, len(items) - SHOWN),
            counts=counts,
            late=late,
            going=found["done"] < found["total"] and not late,
            back=back if back.startswith("/checks?") else "/checks",
        )


def _row(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**NOTHING, **item, "excused": excused(revived(item.get("reason")))}


def _how(item: Mapping[str, Any]) -> str:
    return str(item["status"] or "waiting")


def _badness(item: Mapping[str, Any]) -> tuple[float, str]:
    return (ORDER[item["status"]] if item["status"] else WAITING), item["name"]
