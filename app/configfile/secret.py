"""What must not be shown: it follows from the field's name, or stands as userinfo in a URL. Pure."""

import re
from collections.abc import Sequence
from typing import Any

STARS = "***"
_NAMES = re.compile(
    r"secret|token|password|passwd|passphrase|credential|authorization|cookie|api_?key|private_?key|routing_?key", re.I
)
_USERINFO = re.compile(r"^([A-Za-z][\w+.-]*://)[^/?#@]*@")


def is_secret(path: Sequence[str | int]) -> bool:
    """Whether the field at `path` is secret by a name on the way to it."""
    return any(isinstance(step, str) and _NAMES.search(step) is not None for step in path)


def shown(value: Any, path: Sequence[str | int] = ()) -> Any:
    """`value` with its secrets starred."""
    if isinstance(value, dict):
        return {key: shown(one, (*path, key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shown(one, (*path, index)) for index, one in enumerate(value)]
    if value is not None and is_secret(path):
        return STARS
    return _USERINFO.sub(rf"\1{STARS}@", value) if isinstance(value, str) else value
