"""Heartbeats: which jobs must ping, and whether they do."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.actions import heartbeat as actions
from app.catalog.filter import filtered
from app.checks.heartbeats import service, store
from app.checks.heartbeats.present import searched, view
from app.checks.pause import forgotten
from app.web import pausing
from app.web.bars import MOST, bars, summary
from app.web.guard import base_url
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Typed, go, local_path, visit
from app.web.wall import morning

router = pages()
PAGE, PINGS, SHOWN = 25, 30, 500  # heartbeats a page, pings of one, bytes of a body that are shown
ORDER = {"down": 0, "late": 1, "new": 2, "up": 3, "paused": 4}


@router.get("/heartbeats")
def listed(request: Request, state: str = "", q: str = "", page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> Response:
    """Worst first, then by name."""
    with visit(request) as v:
        records = store.listed(v.db)
        ids = {one.name: one.id for one in records}
        beats = [view(one, v.now, base_url(request)) for one in records]
        fitting, error = filtered(q, beats, searched)
        wanted = [one for one in fitting if state in ("", one.state)]
        found = sorted(wanted, key=lambda one: (ORDER[one.state], one.name))
        shown = found[(page - 1) * PAGE : page * PAGE]
        ends = store.ends(v.db, [ids[one.name] for one in shown], MOST)
        return v.page(
            "heartbeats.html",
            beats=shown,
            bars={one.name: bars(ends[ids[one.name]], v.zone) for one in shown},
            total=len(beats),
            forgotten_names=forgotten({one.name: one.pause for one in records if one.pause}, v.now),
            counts={word: sum(one.state == word for one in beats) for word in ORDER},
            state_filter=state,
            q=q,
            error=error,
            newer=_page(state, q, page - 1) if page > 1 else None,
            older=_page(state, q, page + 1) if len(found) > page * PAGE else None,
        )


@router.get("/heartbeats/{name}")
def show(request: Request, name: str) -> Response:
    """One heartbeat: where to ping, and the pings it had."""
    with visit(request) as v:
        one = service.get(v.db, name)
        ends = store.ends(v.db, [one.id], MOST)[one.id]
        return v.page(
            "heartbeat.html",
            beat=view(one, v.now, base_url(request)),
            morning=morning(v.now, v.zone),
            cron=one.spec.cron or "0 * * * *",
            bars=bars(ends, v.zone),
            summary=summary(ends),
            pings=store.pings(v.db, one.id, None, PINGS, SHOWN),
        )


@router.post("/heartbeats/{name}/pause")
def pause(request: Request, name: str, typed: Typed) -> Response:
    """Expect nothing for now."""
    with visit(request) as v:
        until = pausing.end(typed, v.now, v.zone)
        actions.pause(v.db, name, v.actor, v.now, until=until, reason=typed.get("reason", ""))
        toast = Toast.plain(pausing.said(name, until, "until resumed or pinged", v.now, v.zone))
    return go(local_path(typed.get("back"), "/heartbeats"), toast)


@router.post("/heartbeats/{name}/resume")
def resume(request: Request, name: str, typed: Typed) -> Response:
    """Expect it again."""
    with visit(request) as v:
        actions.resume(v.db, name, v.actor, v.now)
    toast = Toast.plain(f"{name} resumed; the wait for the next ping starts now")
    return go(local_path(typed.get("back"), "/heartbeats"), toast)


@router.post("/heartbeats/{name}/remove")
def remove(request: Request, name: str) -> Response:
    """Remove one that a ping made."""
    with visit(request) as v:
        actions.remove(v.db, name, v.actor, v.now)
    return go("/heartbeats", Toast.plain(f"{name} removed; a ping with create=1 creates it again"))


def _page(state: str, q: str, page: int) -> str:
    known = {name: text for name, text in (("state", state), ("q", q)) if text}
    return f"/heartbeats?{urlencode({**known, 'page': page})}"
