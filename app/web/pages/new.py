"""A new incident: page a person, a team or a schedule by hand, after seeing whom that reaches."""

from collections.abc import Mapping
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import Response

from app.actions import manual
from app.actions.manual import ManualPage
from app.alerts.label import severity_of
from app.catalog import store as catalog
from app.catalog.model import Severity
from app.errors import Invalid
from app.oncall import service as oncall
from app.people import store as people
from app.people.permission import require
from app.review.manual import preview
from app.signals.model import SUMMARY_LIMIT
from app.web.pages.preview import MOST, steps_of
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Typed, Visit, go, visit

router = pages()
UNNAMED = "New incident"  # in the preview, while there is no summary
FIELDS = ("target", "summary", "severity", "service", "details", "key")


@router.get("/incidents/new")
def ask(request: Request) -> Response:
    """The form, and whom the chosen target would reach. In the address may stand what is filled in."""
    with visit(request) as v:
        require(v.actor, "respond")
        return _page(v, {name: v.request.query_params.get(name, "").replace("\0", "") for name in FIELDS})


@router.post("/incidents/new")
def page(request: Request, typed: Typed) -> Response:
    """Open the incident; sent twice, it is the same one. What is wrong stands beside the form, which keeps what was typed."""
    with visit(request) as v:
        if typed.get("preview"):
            require(v.actor, "respond")
            return _page(v, typed)
        try:
            opened = manual.page(v.db, _asked(typed), v.actor, v.now)
        except Invalid as error:
            response = _page(v, typed, str(error))
            response.status_code = 422
            return response
    whom = _in_words(typed["target"])
    return go(f"/incidents/{opened.number}", Toast.plain(f"#{opened.number} opened, {whom} is paged"))


def _in_words(target: str) -> str:
    """`user:bo` -> `bo`, `team:shop` -> `team shop`."""
    return target.removeprefix("user:").replace(":", " ", 1)


def _asked(typed: Mapping[str, str]) -> ManualPage:
    """What was typed. Raises Invalid for a severity that there is not."""
    return ManualPage(
        target=typed.get("target", ""),
        summary=typed.get("summary", ""),
        severity=severity_of(typed.get("severity") or Severity.CRITICAL.value, {}),
        service=typed.get("service", ""),
        details=typed.get("details", "").replace("\r\n", "\n"),
        key=typed.get("key", ""),
    )


def _page(v: Visit, typed: Mapping[str, str], error: str = "") -> Response:
    made, unreached = None, ""
    if typed.get("target") and not error:
        try:
            made = preview(v.db, _asked({**typed, "summary": typed.get("summary", "").strip() or UNNAMED}), v.actor, v.now)
        except Invalid as invalid:
            unreached = str(invalid)
    steps = list(steps_of(made[0])) if made else []
    directory = people.directory(v.db, catalog.defaults(v.db).timezone)
    services = list(catalog.services(v.db))
    return v.page(
        "new.html",
        typed={**typed, "key": typed.get("key") or token_hex(16), "severity": typed.get("severity") or Severity.CRITICAL.value},
        error=error,
        unreached=unreached,
        made=made[1] if made else None,
        steps=steps[:MOST],
        schedules={name: on.users for name, on in oncall.who(v.db, v.now, directory.pageable).items()},
        teams={name: team.name or name for name, team in directory.teams.items()},
        persons=[directory.people[login] for login in sorted(directory.pageable)],
        services=services,
        severities=list(Severity),
        limits={"summary": SUMMARY_LIMIT, "details": manual.DETAILS_LIMIT},
    )
