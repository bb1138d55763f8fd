"""What is known by name but not built yet: accepted as "not active yet". Take a name out here when its file is born."""

from pydantic import ConfigDict

from app.catalog.model import Severity
from app.rules.model import Rule

RULE_KINDS = frozenset({"change", "anomaly", "burn_rate", "forecast", "absence", "composite"})
CHANNEL_KINDS = frozenset(
    {"slack", "apprise", "web_push", "twilio", "telegram", "ntfy", "teams", "discord", "mattermost"}
)  # fmt: skip
PROBES = frozenset(
    f"{family}.{name}"
    for family, names in {
        "health": "dns icmp smtp ssh ntp process systemd docker mysql rabbitmq file_age nagios",
        "performance": "promql scrape redis celery host",
        "business": "http_json promql freshness",
        "security": "log_match http_headers exposed_paths open_ports file_integrity accounts updates dns_drift",
    }.items()
    for name in names.split()
)
SECTIONS = frozenset({"maintenance", "inhibit", "flapping", "audiences"})  # one warning per map
FIELDS = {  # one warning a word, where it stands first
    "hold": "waiting before the incident opens",
    "flapping": "flapping of its own",
    "depends_on": "suppression by dependency",
}


class PlannedRule(Rule):
    """A rule of a kind that is not built: what all kinds share is checked, the kind's own fields are not."""

    model_config = ConfigDict(extra="allow")
    check: str | None = None  # type: ignore[assignment]  # composite has none
    severity: Severity | dict[str, Severity] = Severity.ERROR  # type: ignore[assignment]  # burn_rate has fast and slow
