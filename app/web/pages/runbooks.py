"""Runbooks: what to do about it."""

from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.checks import service as checks
from app.configfile.sections import RUNBOOK, Runbook
from app.errors import NotFound
from app.rules import in_force
from app.web.route import pages
from app.web.visit import visit

router = pages()


@router.get("/runbooks")
def listed(request: Request) -> Response:
    """All of them, each with what refers to it."""
    with visit(request) as v:
        users: dict[str, list[str]] = {}
        named = [(check.runbook, name) for name, check in checks.declared(v.db).items()]
        named += [(rule.runbook, name) for name, rule in in_force.rules(v.db).items()]
        named += [(service.runbook, name) for name, service in catalog.services(v.db).items()]
        for runbook, name in named:
            if runbook:
                users.setdefault(runbook, []).append(name)
        return v.page("runbooks.html", runbooks=catalog.declared(v.db, RUNBOOK, Runbook), users=users)


@router.get("/runbooks/{name:path}")  # an alert from outside may name one with a slash, which does not exist
def show(request: Request, name: str) -> Response:
    """One of them; its boxes are ticked in this browser only."""
    with visit(request) as v:
        found = catalog.declared(v.db, RUNBOOK, Runbook).get(name)
        if found is None:
            raise NotFound(f'runbook "{name}" not found; add runbooks/{name}.md to the configuration')
        return v.page("runbook.html", name=name, runbook=found)
