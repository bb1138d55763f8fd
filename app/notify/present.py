"""A page as JSON: the same in the API and in the command line's answers. Pure."""

from collections.abc import Sequence
from typing import Any

from app.notify.model import Attempt, Page
from app.wording import present_all, texts


def present(page: Page, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """The public form of a stored page; one message to one contact."""
    return {
        "id": page.id,
        "key": page.key,
        "kind": page.kind.value,
        "incident": page.incident,
        "user": page.user,
        "contact": page.contact,
        "channel": page.channel,
        "step": page.step,
        "round": page.round,
        "state": page.state.value,
        "reason": texts(page.reasons),
        "reasons": present_all(page.reasons),
        "due_at": page.due_at,
        "ended_at": page.ended_at,
        "attempts": [
            {
                "n": one.n,
                "at": one.at,
                "outcome": one.outcome.value,
                "provider_id": one.provider_id,
                "error": one.error,
                "ended_at": one.ended_at,
            }
            for one in attempts
        ],
    }
