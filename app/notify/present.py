"""A page as JSON: the same in the API and in the command line's answers. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def present(page: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The public form of a stored page; one message to one contact."""
    return {
        "id": page["id"],
        "key": page["key"],
        "kind": page["kind"],
        "incident": page["incident"],
        "user": page["user_name"],
        "contact": page["contact"],
        "channel": page["channel"],
        "step": page["step"],
        "round": page["round"],
        "state": page["state"],
        "reason": page["reason"],
        "due_at": page["due_at"],
        "ended_at": page["ended_at"],
        "attempts": [
            {name: one[name] for name in ("n", "at", "outcome", "provider_id", "error", "ended_at")} for one in attempts
        ],
    }
