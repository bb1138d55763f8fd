"""The web console: `router` is every page, `install` mounts the static files and the page for unknown addresses."""

from fastapi import APIRouter, FastAPI

from app.web import live, static
from app.web.pages import (
    admin,
    analytics,
    audit,
    channels,
    check,
    checks,
    config,
    heartbeats,
    home,
    incident,
    incidents,
    login,
    me,
    new,
    oncall,
    policies,
    preview,
    routes,
    rule,
    rules,
    runbooks,
    runs,
    search,
    service,
    services,
    sessions,
    teams,
    tries,
    users,
)  # fmt: skip

PAGES = (
    login, home, incidents, new, incident, checks, runs, tries, check, heartbeats, oncall, preview, search, me, rules, rule,
    analytics, runbooks, admin, audit, config, services, service, routes, policies, teams, users, channels, sessions, live,
)  # fmt: skip
router = APIRouter()
for _part in PAGES:
    router.include_router(_part.router)


def install(app: FastAPI) -> None:
    """Put the console's files and its page for unknown addresses into `app`, which includes `router` itself."""
    app.state.wire = live.Wire()
    static.install(app)
