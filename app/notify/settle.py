"""Whether a promise was kept, and what to do about a contact that failed. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.escalation.model import ObligationState
from app.notify.model import REACHED, Page, PageState
from app.people.model import INBOX, Contact
from app.reason import Code, Reason

TRIES = 3  # failed attempts after which a contact counts as not answering
LATE = timedelta(seconds=30)  # without success after which it does as well: a hang takes its whole deadline every time
ON_ITS_WAY = (PageState.QUEUED, PageState.SENDING)
DEAD = (PageState.FAILED, PageState.EXPIRED)
FELL_BACK = (Code.FALLBACK, Code.FALLBACK_LATE)


def settle(pages: Sequence[Page]) -> tuple[ObligationState, Reason] | None:
    """The end of an obligation by its pages, with the reason; None while it is open.

    An inbox wakes nobody: it counts only where the person has, or wants, nothing else. Nor does what was taken back.
    """
    pages = [page for page in pages if page.state is not PageState.SUPERSEDED]
    telling = [page for page in pages if page.channel != INBOX] or pages
    for page in telling:
        if page.state in REACHED:
            fell_back = any(one.code in FELL_BACK for one in page.reasons)
            return ObligationState.FALLBACK if fell_back else ObligationState.MET, accepted(page)
    if telling and all(page.state in DEAD for page in telling):
        return ObligationState.BREACHED, Reason(Code.ALL_FAILED, {"pages": [_end(page) for page in telling]})
    return None


def accepted(page: Page) -> Reason:
    """A provider accepted it."""
    return Reason(Code.ACCEPTED, {"channel": page.channel, "page": page.id})


def _end(page: Page) -> dict[str, object]:
    return {"page": page.id, "channel": page.channel, "state": page.state.value}


def not_answering(attempts: int, due_at: datetime, now: datetime) -> bool:
    """Whether a contact that took nothing in so many failed attempts counts as out of order: retries go on, but not alone."""
    return attempts >= TRIES or now - due_at >= LATE


def hopeful(pages: Sequence[Page], now: datetime) -> bool:
    """Whether one of these pages of one step to one person has reached them, or may do so before long; an inbox never does."""
    for page in pages:
        waiting = page.state in ON_ITS_WAY and page.due_at <= now
        if page.channel != INBOX and (
            page.state in REACHED or (waiting and not not_answering(page.attempts, page.due_at, now))
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
