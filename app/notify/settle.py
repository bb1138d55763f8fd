"""Whether a promise was kept, and what to do about a contact that failed. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.escalation.model import ObligationState
from app.notify.model import State
from app.people.model import INBOX, Contact

FALLBACK = "fallback"
TRIES = 3  # failed attempts after which a contact counts as not answering
LATE = timedelta(seconds=30)  # without success after which it does as well: a hang takes its whole deadline every time
REACHED = (State.ACCEPTED.value, State.DELIVERED.value)
ON_ITS_WAY = (State.QUEUED.value, State.SENDING.value)
DEAD = (State.FAILED.value, State.EXPIRED.value)


def settle(pages: Sequence[Mapping[str, Any]]) -> tuple[ObligationState, str] | None:
    """The end of an obligation by its pages, with the reason; None while it is open.

    An inbox wakes nobody: it counts only where the person has, or wants, nothing else.
    """
    telling = [page for page in pages if page["channel"] != INBOX] or pages
    for page in telling:
        if page["state"] in REACHED:
            over = f"{page['channel']} took it"
            fell_back = str(page["reason"]).startswith(FALLBACK)
            return (ObligationState.FALLBACK, over) if fell_back else (ObligationState.MET, over)
    if telling and all(page["state"] in DEAD for page in telling):
        return ObligationState.BREACHED, "; ".join(f"{page['channel']} {page['state']}" for page in telling)
    return None


def not_answering(attempts: int, due_at: datetime, now: datetime) -> bool:
    """Whether a contact that took nothing in so many failed attempts counts as out of order: retries go on, but not alone."""
    return attempts >= TRIES or now - due_at >= LATE


def hopeful(pages: Sequence[Mapping[str, Any]], now: datetime) -> bool:
    """Whether one of these pages of one step to one person has reached them, or may do so before long; an inbox never does."""
    for page in pages:
        waiting = page["state"] in ON_ITS_WAY and page["due_at"] <= now
        if page["channel"] != INBOX and (
            page["state"] in REACHED or (waiting and not not_answering(page["attempts"], page["due_at"], now))
        ):
            return True
    return False


def next_contact(contacts: Sequence[Contact], used: Sequence[str], failed: str) -> Contact | None:
    """The contact to fall back to: the next after the failed one, going round, that this step has not used yet."""
    names = [contact.name for contact in contacts]
    start = names.index(failed) + 1 if failed in names else 0
    for contact in (*contacts[start:], *contacts[:start]):
        if contact.name not in used and contact.name != INBOX:
            return contact
    return None
