"""How a text from elsewhere goes on within a sentence of ours. Pure; the command line imports it before anything heavy."""

NAMES = frozenset(
    [
        "Celery",
        "Docker",
        "English",
        "Grafana",
        "Jinja",
        "Jinja2",
        "Kerberos",
        "Latin",
        "Linux",
        "Nagios",
        "Prometheus",
        "Python",
        "Redis",
        "Slack",
        "Tocsin",
        "Unicode",
        "Unix",
        "Valkey",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ]
)


def lower_first(text: str) -> str:
    """The text as it goes on within a sentence: `Connection refused` -> `connection refused`.

    A first word that is an acronym or a name stays as it is: `TLS connect error`, `OpenSSL ...`, `I/O error`, `Redis ...`.
    """
    first = text.split(maxsplit=1)[0].strip("\"'()[]:;,.") if text.strip() else ""
    is_name = first in NAMES or any(char.isupper() or char.isdigit() for char in first[1:])
    return text if is_name else text[:1].lower() + text[1:]
