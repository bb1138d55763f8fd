"""Sessions of the console: a signed cookie that ends with a new password, after a while, or with the account. Pure."""

from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

LIFE = 14 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Session:
    """Whose it is, and under which password."""

    login: str
    epoch: int


def seal(secret: bytes, session: Session) -> str:
    """The cookie's value."""
    return str(_signer(secret).dumps([session.login, session.epoch]))


def read(secret: bytes, cookie: str) -> Session | None:
    """The session of a cookie; None when it is not ours or too old."""
    try:
        login, epoch = _signer(secret).loads(cookie, max_age=LIFE)
    except (BadSignature, ValueError, TypeError):
        return None
    return Session(str(login), int(epoch))


def _signer(secret: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="session")
