"""Whether the prober is cut off, and what its results are worth then. Pure.

It is cut off when none of its reference targets answers and several unrelated targets fail at once: two of them, or one beside
at least two references, which are targets as well. Then what failed is excused: unknown, and no reason for an alert.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from app.checks.model import Result
from app.checks.probe import Status
from app.reason import Code, Reason

SEVERAL = 2
HOME = re.compile(r"localhost|.*\.localhost|[/@].*", re.IGNORECASE)
WHERE = ("url", "host", "server", "resolver", "steps")  # settings that say what a check talks to, the first that is there


def target(settings: Mapping[str, Any]) -> str | None:
    """The host beyond this machine that a check talks to; None when it has none."""
    for name in WHERE:
        found = settings.get(name)
        if name == "steps" and isinstance(found, Sequence) and found and isinstance(found[0], Mapping):
            return target(found[0])
        if isinstance(found, str) and found:
            return _beyond(found)
    return None


def _beyond(text: str) -> str | None:
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return None
    if not host or HOME.fullmatch(host):
        return None
    try:
        return None if ip_address(host).is_loopback else host
    except ValueError:
        return host.lower()


def failed(result: Result) -> bool:
    """Whether a result may be due to the prober's own network: no answer, or unknown."""
    return result.unreachable or result.status is Status.UNKNOWN


def cut_off(answers: Mapping[str, bool], unreachable: Collection[str]) -> bool:
    """Whether the prober is cut off, by which references answer and which hosts do not."""
    if not answers or any(answers.values()) or not unreachable:
        return False
    return len(answers) >= SEVERAL or len(unreachable) >= SEVERAL


def excused(result: Result, reason: Reason) -> Result:
    """The result as one that says nothing of its target."""
    nothing: dict[str, Any] = {"metrics": {}, "series": (), "memory": None, "observed": None}
    return replace(result, status=Status.UNKNOWN, reason=reason, **nothing)


def silent(answers: Mapping[str, bool]) -> Reason:
    """Why it is cut off."""
    return Reason(Code.REFERENCES_SILENT, {"references": list(answers)})
