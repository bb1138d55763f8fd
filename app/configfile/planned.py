"""What is known by name but not built yet: accepted as "not active yet". Take a name out here when its file is born."""

CHANNEL_KINDS = frozenset(
    {"slack", "apprise", "web_push", "twilio", "telegram", "ntfy", "teams", "discord", "mattermost"}
)  # fmt: skip
SECTIONS = frozenset({"maintenance", "inhibit", "flapping", "audiences"})  # one warning per map
FIELDS = {  # one warning a word, where it stands first
    "hold": "waiting before the incident opens",
    "flapping": "flapping of its own",
    "depends_on": "suppression by dependency",
}
