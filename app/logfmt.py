"""The one format of log lines: `ts=... level=... event=... key=value`, one line an event, nothing secret or unprintable.

Used by every process of ours, and by the supervisor for what PostgreSQL, Valkey and libraries print: it imports little.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from app.secret import STARS, hide, is_secret_name

LONGEST = 8_000  # characters of a value; of a longer one the middle is left out
_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ESCAPED = re.compile(r"[\"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_KEY = re.compile(r"[^\w.-]+")


def line(fields: Mapping[str, object]) -> str:
    """One line of `fields`, in their order."""
    return " ".join(f"{_KEY.sub('_', name) or '_'}={_value(name, value)}" for name, value in fields.items())


def say(level: str, event: str, **fields: object) -> str:
    """A line of now."""
    return line({"ts": now(), "level": level, "event": event, **fields})


def now() -> str:
    """The time, as every line begins with it: RFC 3339, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _value(name: str, value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if is_secret_name(name):
        return STARS
    text = hide(str(value))
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ...[{len(text) - LONGEST} characters left out]... {text[-LONGEST // 2 :]}"
    if _PLAIN.fullmatch(text):
        return text
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or f"\\u{ord(char):04x}"
