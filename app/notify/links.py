"""Links that act without a login: signed with the secret key, bound to one page and one action, expiring. Pure.

The same page always carries the same link, so a repeat of a message is a repeat. Source of the shape: HMAC (RFC 2104)
over `action|expiry|key`: neither an action nor a number holds a bar, so that no two such triples read the same.
Not itsdangerous' signer: it derives keys and stamps times otherwise, so links that were sent would end, and repeats differ.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.exc import BadData

from app.errors import NotFound
from app.incidents.lifecycle import Move

LIFE = timedelta(days=7)
MOVES = (Move.ACKNOWLEDGE, Move.RESOLVE)  # what a link may do


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for."""

    page_key: str
    action: Move
    expires_at: datetime


def token(secret: bytes, page_key: str, action: str, expires_at: datetime) -> str:
    """The last part of a link's path."""
    return _signed(secret, f"{action}|{int(expires_at.timestamp())}|{page_key}".encode()).decode()


def read(secret: bytes, given: str) -> Link:
    """What this token stands for, expired or not. Raises NotFound unless it was signed with this secret."""
    try:
        payload = base64_decode(given.partition(".")[0])
    except BadData:
        raise NotFound("this link is incomplete or damaged; open the incident in the console") from None
    ours = _signed(secret, payload)  # base64 has several spellings of one value; only ours counts
    action, _, rest = payload.partition(b"|")
    if not hmac.compare_digest(ours, given.encode(errors="replace")) or action.decode() not in MOVES:
        raise NotFound("invalid link: the signature does not match; open the incident in the console")
    expiry, _, page_key = rest.decode().partition("|")
    return Link(page_key, Move(action.decode()), datetime.fromtimestamp(int(expiry), UTC))


def _signed(secret: bytes, payload: bytes) -> bytes:
    signature = hmac.new(secret, b"link" + len(payload).to_bytes(4, "big") + payload, sha256).digest()
    return base64_encode(payload) + b"." + base64_encode(signature)
