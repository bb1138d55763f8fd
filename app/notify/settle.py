"""Whether a promise was kept, and what to do about a contact that failed. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.escalation.model import Debt
from app.notify.model import State
from app.people.model import INBOX, Contact

FALLBACK = "fallback"
REACHED = (State.ACCEPTED.value, State.DELIVERED.value)
DEAD = (State.FAILED.value, State.EXPIRED.value)


def settle(pages: Sequence[Mapping[str, Any]]) -> tuple[Debt, str] | None:
    """The end of an obligation by its pages, with the reason; None while it is open.

    An inbox wakes nobody: it counts only where the person has, or wants, nothing else.
    """
    telling = [page for page in pages if page["channel"] != INBOX] or pages
    for page in telling:
        if page["state"] in REACHED:
            over = f"{page['channel']} took it"
            fell_back = str(page["reason"]).startswith(FALLBACK)
            return (Debt.FALLBACK, over) if fell_back else (Debt.MET, over)
    if telling and all(page["state"] in DEAD for page in telling):
        return Debt.BREACHED, "; ".join(f"{page['channel']} {page['state']}" for page in telling)
    return None


def next_contact(contacts: Sequence[Contact], used: Sequence[str], failed: str) -> Contact | None:
    """The contact to fall back to: the next after the failed one, going round, that this step has not used yet."""
    names = [contact.name for contact in contacts]
    start = names.index(failed) + 1 if failed in names else 0
    for contact in (*contacts[start:], *contacts[:start]):
        if contact.name not in used and contact.name != INBOX:
            return contact
    return None
