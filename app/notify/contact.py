"""Whether an address can be one of a person's contacts: the one copy of that decision. Pure, but for the kinds' own word."""

from app import plugins
from app.people.model import INBOX

MOST = 512  # characters
KINDS = "app.notify.channels"


def unfit(to: str) -> str | None:
    """Why this is no address of any kind of channel; None when it may be one."""
    if not to.strip():
        return "the address is empty"
    if len(to) > MOST:
        return f"the address has {len(to)} characters; at most {MOST} are allowed"
    if not to.isprintable():
        return "the address contains a line break or another invisible character; remove it"
    if to != to.strip():
        return "the address begins or ends with a space; remove it"
    return None


def refused(kind: str, to: str) -> str | None:
    """Why a channel of this kind cannot reach this address; None when it may. A kind says so by raising from `address(to)`."""
    if kind == INBOX or not plugins.exists(KINDS, kind):
        return None
    address = getattr(plugins.module(KINDS, kind), "address", None)
    try:
        if address is not None:
            address(to)
    except ValueError as error:
        return str(error)
    return None


def wrong(kind: str, to: str) -> str | None:
    """Either of these."""
    return unfit(to) or refused(kind, to)
