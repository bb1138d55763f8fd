"""Secrets at rest: sealed with the secret key (Fernet), so that a dump of the database alone opens none."""

import base64
from functools import lru_cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken

from app.errors import Invalid
from app.settings import settings


def seal(plain: str) -> str:
    """The sealed form, for a text column."""
    return _fernet().encrypt(plain.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises Invalid when it was sealed with another secret key."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Invalid(
            "a stored secret was sealed with another secret key; restore TOCSIN_SECRET_KEY or HOME/secret-key"
        ) from None


def digest(secret: str) -> str:
    """SHA-256, 64 hex digits: enough for a random secret, and all that is stored of one that is only compared."""
    return sha256(secret.encode()).hexdigest()


@lru_cache
def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(sha256(b"tocsin at rest\0" + settings().key).digest()))
