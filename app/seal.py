"""Secrets at rest: sealed with the secret key (Fernet), so that a dump of the database alone opens none.

What a location's checks need is sealed with that location's own key, which follows from the secret key and not the other way
round: a worker elsewhere that holds only it opens nothing else, and signs no link and no session.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.errors import Invalid
from app.redact import SEALED
from app.settings import settings


class Unreadable(Invalid):
    """Sealed with another key than this process has."""


UNREADABLE = "a stored secret is encrypted with a different secret key"
ELSEWHERE = "set TOCSIN_LOCATION_KEY to what `tocsin locations key {}` prints on the hub, or "
FIX = "restore TOCSIN_SECRET_KEY or HOME/secret-key, or run `tocsin config apply` with the new one"


def seal(plain: str, location: str = "") -> str:
    """The sealed form, for a text column. location: whose key opens it; the hub's when empty."""
    return _keys(location).encrypt(plain.encode()).decode()


def unseal(sealed: str, location: str = "") -> str:
    """What was sealed. Raises Unreadable when it was sealed with another key."""
    try:
        return _keys(location).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable(f"{UNREADABLE}; {ELSEWHERE.format(location) if location else ''}{FIX}") from None


def marked(plain: str, location: str = "") -> str:
    """The sealed form as it stands within a text among settings; `opened` finds it there."""
    return f"~sealed~{location}~{seal(plain, location)}~"


def opened(value: Any, strict: bool = True) -> Any:
    """Settings with what is sealed in them in clear. Raises Unreadable for what does not open, or leaves it unless strict."""
    if isinstance(value, Mapping):
        return {key: opened(one, strict) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [opened(one, strict) for one in value]
    if isinstance(value, str) and "~sealed~" in value:
        return SEALED.sub(_open if strict else _open_or_leave, value)
    return value


def _open(found: "re.Match[str]") -> str:
    return unseal(found[2], found[1])


def _open_or_leave(found: "re.Match[str]") -> str:
    try:
        return _open(found)
    except Unreadable:
        return found[0]


def digest(secret: str) -> str:
    """SHA-256, 64 hex digits: enough for a random secret, and all that is stored of one that is only compared."""
    return sha256(secret.encode()).hexdigest()


def keyed_digest(content: bytes) -> str:
    """64 hex digits that tell contents apart, and tell nothing of a short secret in them to whoever lacks the secret key."""
    return hmac.new(settings().key, b"digest\0" + content, sha256).hexdigest()


def location_key(location: str) -> str:
    """The key of a location, 64 hex digits: what a worker there needs of the secret key. It follows from it, never back."""
    return hmac.new(settings().key, b"location\0" + location.encode(), sha256).hexdigest()


def _keys(location: str) -> MultiFernet:
    """The first key seals; any of them opens: a worker elsewhere may serve several locations."""
    if not location:
        return _fernet((settings().key,))
    given = tuple(one.encode() for one in settings().location_keys)
    return _fernet(given or (location_key(location).encode(),))


@lru_cache
def _fernet(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([_key(one) for one in keys])


def _key(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(sha256(b"tocsin at rest\0" + secret).digest()))
