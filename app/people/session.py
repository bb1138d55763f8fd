"""Sessions of the console: a signed cookie that ends at log-out, with a new password, after a while, or with the account.

And devices: a browser in which somebody has logged in before. It opens nothing; only tries of a password count apart there.
Not pure: ids are random, and itsdangerous reads this machine's clock for the time in a signature.
"""

import secrets
from dataclasses import dataclass, field

from itsdangerous import BadSignature, URLSafeTimedSerializer

LIFE = 14 * 86_400  # seconds
DEVICE_LIFE = 365 * 86_400
LOGINS = 5  # that one device knows, the newest


def _new_id() -> str:
    return secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True)
class Session:
    """Whose it is, under which password, and which one of theirs."""

    login: str
    epoch: int
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True, slots=True)
class Device:
    """Who has logged in there."""

    id: str
    logins: tuple[str, ...]


def seal(secret: bytes, session: Session) -> str:
    """The cookie's value."""
    return str(_signer(secret, "session").dumps([session.login, session.epoch, session.id]))


def read(secret: bytes, cookie: str) -> Session | None:
    """The session of a cookie; None when it is not ours or too old."""
    try:
        login, epoch, id_ = _signer(secret, "session").loads(cookie, max_age=LIFE)
    except (BadSignature, ValueError, TypeError):
        return None
    return Session(str(login), int(epoch), str(id_))


def seal_device(secret: bytes, device: Device) -> str:
    """The cookie's value."""
    return str(_signer(secret, "device").dumps([device.id, list(device.logins)]))


def read_device(secret: bytes, cookie: str) -> Device | None:
    """The device of a cookie; None when it is not ours or too old."""
    try:
        id_, logins = _signer(secret, "device").loads(cookie, max_age=DEVICE_LIFE)
    except (BadSignature, ValueError, TypeError):
        return None
    return Device(str(id_), tuple(map(str, logins)))


def known(device: Device | None, login: str) -> Device:
    """The device after somebody has logged in there."""
    others = [one for one in device.logins if one != login] if device else []
    return Device(device.id if device else _new_id(), (login, *others)[:LOGINS])


def _signer(secret: bytes, salt: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=salt)
