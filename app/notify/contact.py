"""Whether an address can be one of a person's contacts: the one copy of that decision. Pure, but for the kinds' own word."""

from app import plugins
from app.people.model import INBOX

MOST = 512  # characters
KINDS = "app.notify.channels"


def wrong(kind: str | None, to: str) -> str | None:
    """Why nothing can be sent to `to` over a channel of this kind; None when it can. kind: None where that is not known.

    A kind says more by a function `refuse(to)` of its own, which answers in the same way.
    """
    if not to.strip():
        return "has no address"
    if len(to) > MOST:
        return f"has {len(to)} characters; an address has at most {MOST}"
    if not to.isprintable():
        return "holds a line break or another character that cannot be seen; remove it"
    if to != to.strip():
        return "begins or ends with a space; remove it"
    if kind is None or kind == INBOX or kind not in plugins.names(KINDS):
        return None
    refuse = getattr(plugins.module(KINDS, kind), "refuse", None)
    found: str | None = refuse(to) if refuse is not None else None
    return found
