"""The REST API, one file per noun; `install` adds it to the server's application."""

from fastapi import FastAPI


def install(app: FastAPI) -> None:
    """Add every route and the handling of errors."""
    from app.api import events, health, link, managing, nouns, pings, planned, problem, reference

    problem.install(app)
    app.router.routes += [*managing.ROUTES, *pings.ROUTES, *events.ROUTES, *health.ROUTES, *link.ROUTES]
    planned.install(app)
    for routes in nouns.ROUTERS:
        app.include_router(routes, prefix="/api/v1")
    reference.install(app)
