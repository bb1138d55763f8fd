"""Admin: is Tocsin itself operational?"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app import beats, metrics
from app.catalog import store as catalog
from app.errors import Invalid
from app.escalation import store as escalations
from app.escalation.model import ObligationState
from app.people import service as people
from app.people import store
from app.people.model import Role
from app.people.permission import require
from app.signals import service as signals
from app.signals import store as integrations
from app.web.guard import base_url
from app.web.route import pages
from app.web.template import path
from app.web.toast import Toast
from app.web.visit import Typed, Visit, go, visit

router = pages()
LATE = 30.0  # seconds a row may be overdue before that is worth red


@router.get("/admin")
def admin(request: Request) -> Response:
    """Processes, overdue jobs, pending notifications, people, integrations, changes, configuration."""
    with visit(request) as v:
        return _page(v)


@router.post("/admin/invite")
def invite(request: Request, typed: Typed) -> Response:
    """Invite somebody; the link is shown this once."""
    with visit(request) as v:
        require(v.actor, "administer")
        login, role = typed.get("login", "").strip(), typed.get("role", "")
        if role not in list(Role):
            raise Invalid(f'unknown role "{role}"')
        secret = people.invite(v.db, login, Role(role), typed.get("name", "").strip() or None, v.actor, v.now)
        return _page(v, invited={"login": login, "url": base_url(request) + path("invite", secret)})


@router.post("/admin/integrations")
def add_integration(request: Request, typed: Typed) -> Response:
    """A new integration; its key is shown to editors."""
    with visit(request) as v:
        name = typed.get("name", "").strip()
        signals.add(v.db, name, typed.get("kind", "generic"), typed.get("service", "").strip() or None, v.actor, v.now)
    return go("/admin#integrations", Toast.plain(f"Integration {name} created; its URL is in the list"))


@router.post("/admin/integrations/{name}/rotate")
def rotate(request: Request, name: str) -> Response:
    """A new key; the old one lives a week more."""
    with visit(request) as v:
        signals.rotate(v.db, name, v.actor, v.now)
    return go("/admin#integrations", Toast.plain(f"Key of {name} rotated; the old key works for 7 more days"))


def _page(v: Visit, **more: Any) -> Response:
    versions = catalog.versions(v.db, 5)
    pending = escalations.obligations(v.db, state=ObligationState.OPEN, incident=None, before=None, limit=20)
    overdue = metrics.oldest_overdue(v.db)
    facts = {
        "processes": beats.seen(v.db),
        "overdue": overdue,
        "late": overdue > LATE,
        "counts": metrics.counts(v.db),
        "pending": pending,
        "everybody": sorted(store.directory(v.db, "UTC").people.values(), key=lambda one: one.login),
        "integrations": _integrations(v),
        "lines": store.audited(v.db, limit=8),
        "versions": versions,
        "roles": list(Role),
        "services": list(catalog.services(v.db)),
        "invited": None,
    }
    return v.page("admin.html", **{**facts, **more})


def _integrations(v: Visit) -> list[Mapping[str, str]]:
    """The integrations; their addresses for whoever may make some."""
    if not v.may("edit"):
        return [{"name": one.name, "kind": one.kind, "key": "", "url": ""} for one in integrations.listed(v.db, v.now)]
    base = base_url(v.request)
    return [{**one, "url": f"{base}/in/{one['key']}" if one["key"] else ""} for one in signals.listed(v.db, v.now)]
