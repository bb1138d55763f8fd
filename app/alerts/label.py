"""The labels every alert carries, so that routes and groupings can rely on them. Pure."""

from collections.abc import Mapping

from app.catalog.model import Service
from app.signals.model import Signal


def labels(signal: Signal, services: Mapping[str, Service]) -> dict[str, str]:
    """The signal's own labels plus alertname, service, team, tier, severity, family and check where they apply."""
    service = services.get(signal.service) if signal.service else None
    known = {
        "alertname": signal.alertname or signal.labels.get("alertname") or signal.key or signal.summary,
        "service": signal.service,
        "team": service.team if service else None,
        "tier": service.tier if service else None,
        "severity": signal.severity.value,
        "family": signal.family,
        "check": signal.check,
    }
    return {**signal.labels, **{name: value for name, value in known.items() if value}}
