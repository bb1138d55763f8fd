"""Links that act without a login: signed with the secret key, bound to one page and one action, expiring. Pure.

The same page always carries the same link, so a repeat of a message is a repeat. Source of the shape: HMAC (RFC 2104)
over `action|expiry|key`: neither an action nor a number holds a bar, so that no two such triples read the same.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from app.errors import NotFound

LIFE = timedelta(days=7)
ACTIONS = ("acknowledge", "resolve")


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for."""

    page_key: str
    action: str
    expires_at: datetime


def token(secret: bytes, page_key: str, action: str, expires_at: datetime) -> str:
    """The last part of a link's path."""
    payload = f"{action}|{int(expires_at.timestamp())}|{page_key}".encode()
    return f"{_text(payload)}.{_text(_sign(secret, payload))}"


def read(secret: bytes, given: str) -> Link:
    """What this token stands for, expired or not. Raises NotFound unless it was signed with this secret."""
    try:
        payload, signature = (_bytes(part) for part in given.split("."))
    except ValueError:
        raise NotFound("this link is damaged; open the incident in the console") from None
    action, _, rest = payload.partition(b"|")
    if not hmac.compare_digest(signature, _sign(secret, payload)) or action.decode() not in ACTIONS:
        raise NotFound("this link is not ours; open the incident in the console")
    expiry, _, page_key = rest.decode().partition("|")
    return Link(page_key, action.decode(), datetime.fromtimestamp(int(expiry), UTC))


def _sign(secret: bytes, payload: bytes) -> bytes:
    return hmac.new(secret, b"link" + len(payload).to_bytes(4, "big") + payload, sha256).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(raw) != text:  # base64 has several spellings of one value; only ours counts
        raise ValueError("not canonical")
    return raw
