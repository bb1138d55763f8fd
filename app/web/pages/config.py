"""Configuration: the active version and its warnings."""

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.catalog import store as catalog
from app.catalog.cache import ByVersion
from app.configfile import store
from app.configfile.load import load_texts
from app.configfile.sections import PLANNED, RUNBOOK, SECTIONS, SECTIONS_PLANNED, Shape
from app.errors import Invalid
from app.settings import environ
from app.web.route import pages
from app.web.template import render
from app.web.visit import local_path, visit

router = pages()
VERSIONS, WARNINGS = 10, 30
PLACES = {
    "service": "/services", "check": "/checks", "rule": "/rules", "heartbeat": "/heartbeats", "route": "/routes",
    "policy": "/policies", "schedule": "/oncall", "team": "/teams", "user": "/users", "channel": "/channels",
    "hours": "/routes", RUNBOOK: "/runbooks",
}  # fmt: skip
_ACTIVE = {key: one for key, one in SECTIONS.items() if key not in SECTIONS_PLANNED and one.shape is not Shape.ONE}
_findings: ByVersion[str, "Findings"] = ByVersion()


@dataclass(frozen=True, slots=True)
class Findings:
    """What `config check` says of the files in force, as sentences with FILE:LINE; why it says nothing, where it cannot."""

    warnings: tuple[str, ...] = ()
    why_not: str = ""


@router.get("/config")
def overview(request: Request) -> Response:
    """The active version, how many objects of each kind it declares, and its warnings for editors."""
    with visit(request) as v:
        counts = catalog.counts(v.db)
        versions = catalog.versions(v.db, VERSIONS)
        return v.page(
            "config.html",
            versions=versions,
            kinds=[(key, PLACES.get(one.kind), counts[one.kind]) for key, one in _ACTIVE.items() if one.kind in counts],
            runbooks=counts.get(RUNBOOK, 0),
            planned=[(one.name.replace(":", " ", 1), one.origin) for one in catalog.specs(v.db, PLANNED)],
            findings=findings(v.db) if versions and v.may("edit") else None,
            most=WARNINGS,
        )


@router.get("/config/newer")
def newer(request: Request, than: int, at: str = "/config") -> Response:
    """Which version is in force, for a page that shows version `than`; nothing when it is that one."""
    with visit(request) as v:
        version = catalog.version(v.db)
    if version == than:
        return Response(status_code=204)
    return HTMLResponse(render("config_newer.html", than=than, version=version, at=local_path(at, "/config")))


def findings(db: Connection) -> Findings:
    """The warnings of the files in force, as this process's environment fills them in; kept until another version is."""

    def check() -> Findings:
        try:
            loaded = load_texts(store.files(db), environ())
        except Invalid as error:
            return Findings(why_not=str(error))
        if loaded.errors:  # a variable that only whoever applied it had
            return Findings(why_not=str(loaded.errors[0]))
        return Findings(tuple(str(one) for one in loaded.warnings))

    return _findings.get("", catalog.version(db), check)
