"""Every noun's routes; `/api/v1` in front of each."""

from app.api import (
    alerts,
    analytics,
    checks,
    config,
    demand,
    heartbeats,
    incidents,
    integrations,
    oncall,
    pages,
    people,
    preview,
    rules,
)

ROUTERS = tuple(
    noun.routes
    for noun in (
        incidents,
        alerts,
        demand,
        checks,
        heartbeats,
        oncall,
        pages,
        preview,
        analytics,
        rules,
        integrations,
        config,
        people,
    )
)
