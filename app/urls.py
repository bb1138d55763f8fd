"""The URLs of the settings: what is wrong with one."""

import re
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")
REDIS = ("redis", "rediss", "redis+socket", "sentinel")
BROKERS = (*REDIS, "amqp", "amqps", "pyamqp")

Secret = TypeVar("Secret", SecretStr, None)


def with_lower_scheme(url: str) -> str:
    """The same URL with its scheme in small letters, as everybody compares it. Source: RFC 3986, section 3.1."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.lower()}{separator}{rest}" if separator else url


def is_postgres(value: Secret) -> Secret:
    """A PostgreSQL URL, its scheme in small letters. Raises ValueError that says what is wrong and quotes no secret."""
    if value is None:
        return value
    url = value.get_secret_value()
    _checked(url, POSTGRES, "postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    return SecretStr(with_lower_scheme(url))


def is_broker(value: Secret) -> Secret:
    """A broker's URL, or several. Gives and raises as `is_postgres`."""
    if value is None:
        return value
    urls = value.get_secret_value().split(";")  # kombu takes several, to fail over
    for one in urls:
        parts = _checked(one, BROKERS, "redis://HOST:6379/0, rediss:// or amqp://USER:PASSWORD@HOST:5672/VHOST")
        if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"/?\d{0,9}/?", parts.path):
            raise ValueError("a Redis database is a number; write redis://HOST:6379/0")
    return SecretStr(";".join(with_lower_scheme(one) for one in urls))


def is_web(value: str | None) -> str | None:
    """An address people or programs open. Gives and raises as `is_postgres`."""
    if value is None:
        return value
    parts = _checked(value, ("http", "https"), "https://tocsin.example.org")
    if not parts.hostname:
        raise ValueError("has no host; write https://tocsin.example.org")
    return with_lower_scheme(value)


def _checked(url: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in schemes:
        known = ", ".join(f"{one}://" for one in schemes)
        what = f'unknown scheme "{scheme}://"' if separator and re.fullmatch(r"[A-Za-z0-9+.-]{1,32}", scheme) else "not a URL"
        raise ValueError(f"{what} (known: {known}); write {example}")
    advice = f"write {example}, with / : @ # % in a password percent-encoded"
    if any(char.isspace() or not char.isprintable() for char in url):
        raise ValueError(f"contains a space or control character; {advice}")
    try:
        parts = urlsplit(url)
        _ports(parts)
    except ValueError:
        raise ValueError(f"host or port is invalid; {advice}") from None
    if parts.fragment or "#" in url or re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise ValueError(f'has a "#" or a stray "%"; {advice}')
    return parts


def _ports(parts: SplitResult) -> None:
    """Raises ValueError for a port that is none; a URL may list several hosts, as libpq and sentinel allow."""
    for where in parts.netloc.rpartition("@")[2].split(","):
        port = where.rpartition("]")[2].rpartition(":")[2] if ":" in where.rpartition("]")[2] else ""
        if where.count(":") > 1 and not where.startswith("["):
            raise ValueError(where)
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
            raise ValueError(where)
