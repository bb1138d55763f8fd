"""The keys of pages: equal for the same reason, so that a reason makes one page however often it is worked on. Pure."""

from app.escalation.request import PageRequest
from app.notify.model import Draft


def page_key(of: PageRequest | Draft, address: str, after: int = 0) -> str:
    """The key of a page to one contact, or to a channel; of a draft the key it would have at another contact.

    after: seconds the contact waits for the ones before it; 0 for a page that is due at once.
    """
    slot = of.round if of.breached is None else f"breach-{of.breached}"  # never the place of a step's page
    step = of.step if of.step is not None else "exhausted"
    later = f":+{after}" if after else ""
    return f"{of.incident}:{of.generation}:{slot}:{step}:{of.user or '-'}:{address}{later}"
