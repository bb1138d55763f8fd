"""The REST API, one file per noun; `install` adds it to the server's application."""

from fastapi import FastAPI

from app.api import events, managing, pings

SENDERS = (*managing.ROUTES, *pings.ROUTES, *events.ROUTES)


def install(app: FastAPI) -> None:
    """Add every route and the handling of errors."""
    from app.api import health, link, nouns, planned, problem, reference

    problem.install(app)
    app.router.routes += [*SENDERS, *health.ROUTES, *link.ROUTES]
    events.install(app)
    pings.install(app)
    planned.install(app)
    for routes in nouns.ROUTERS:
        app.include_router(routes, prefix="/api/v1")
    reference.install(app)
