"""The labels every alert carries, so that routes and groupings can rely on them. Pure."""

from collections.abc import Mapping

from app.catalog.matcher import HOURS
from app.catalog.model import Service, Severity
from app.errors import Fault, Invalid
from app.signals.model import Signal, SignalStatus, name_of

Opened = tuple[str, ...] | None  # the names of the hours that are open; None: none are declared, so the label is the sender's


def labels(signal: Signal, services: Mapping[str, Service], opened: Opened = None) -> dict[str, str]:
    """The signal's own labels plus alertname, service, team, tier, severity, family, check and hours where they apply."""
    service = services.get(signal.service) if signal.service else None
    known = {
        "alertname": signal.alertname or name_of(signal.labels, signal.key, signal.summary),
        "service": signal.service,
        "team": service.team if service else None,
        "tier": service.tier if service else None,
        "severity": signal.severity.value,
        "family": signal.family,
        "check": signal.check,
    }
    return within({**signal.labels, **{name: value for name, value in known.items() if value}}, opened)


def within(known: Mapping[str, str], opened: Opened) -> dict[str, str]:
    """The same labels at an instant at which these hours are open; the label is absent while none is."""
    if opened is None:
        return dict(known)
    others = {name: value for name, value in known.items() if name != HOURS}
    return others | ({HOURS: ",".join(opened)} if opened else {})


def asked(given: Mapping[str, str], severity: Severity) -> Signal:
    """What somebody asks about by labels, as a sender would say it; `alertname` is `preview` where they name none."""
    known = {name: value for name, value in given.items() if value}
    title = known.get("alertname") or "preview"
    return Signal("preview", title, SignalStatus.FIRING, title, severity, title, known.get("service"), labels=known)


def severity_of(given: str | None, known: Mapping[str, str]) -> Severity:
    """The severity that is asked about: the given one, else the label's, else error. Raises Invalid."""
    name = given or known.get("severity") or Severity.ERROR.value
    try:
        return Severity(name)
    except ValueError:
        detail = f"is not one of {', '.join(Severity)}"
        raise Invalid(f'severity "{name}" {detail}', [Fault("severity" if given else "labels.severity", detail)]) from None
