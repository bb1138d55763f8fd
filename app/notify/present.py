"""A page as JSON: the same in the API and in the command line's answers. Pure."""

from collections.abc import Sequence
from datetime import datetime

from typing_extensions import TypedDict

from app.notify.model import Attempt, Kind, Outcome, Page, PageState, hold_of
from app.reason import Reasons
from app.walltime import Stamp
from app.wording import PublicReason, present_all, texts


class PublicAttempt(TypedDict):
    """One attempt to send a page; `unknown` until its outcome is known."""

    n: int
    at: datetime
    outcome: Outcome
    provider_id: str | None
    error: str | None
    ended_at: datetime | None


class PublicPage(TypedDict):
    """A page: one message to one contact. `step` is null once escalation is exhausted. `held_until`: the end of quiet hours."""

    id: int
    key: str
    kind: Kind
    incident: int | None
    user: str | None
    contact: str | None
    channel: str
    step: int | None
    round: int | None
    state: PageState
    held_until: Stamp | None
    reason: str
    reasons: list[PublicReason]
    due_at: datetime
    ended_at: datetime | None
    attempts: list[PublicAttempt]


def held_until(reasons: Reasons) -> str | None:
    """Until when these reasons hold a page back; None: they do not."""
    held = hold_of(reasons)
    return held.facts["until"] if held else None


def present(page: Page, attempts: Sequence[Attempt]) -> PublicPage:
    """The public form of a stored page."""
    return {
        "id": page.id,
        "key": page.key,
        "kind": page.kind,
        "incident": page.incident,
        "user": page.user,
        "contact": page.contact,
        "channel": page.channel,
        "step": page.step,
        "round": page.round,
        "state": page.state,
        "held_until": held_until(page.reasons) if page.held else None,
        "reason": texts(page.reasons),
        "reasons": present_all(page.reasons),
        "due_at": page.due_at,
        "ended_at": page.ended_at,
        "attempts": [
            {
                "n": one.n,
                "at": one.at,
                "outcome": one.outcome,
                "provider_id": one.provider_id,
                "error": one.error,
                "ended_at": one.ended_at,
            }
            for one in attempts
        ],
    }
