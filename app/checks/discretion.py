"""What a check's settings hold that no message may show, and what takes it out again: servers repeat what they are told."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote, unquote_plus, urlsplit

from pydantic import BaseModel, SecretStr

from app.net.take import hiding

SECRETIVE = re.compile(r"(?i)auth|token|key|cookie|secret|pass|credential|session|signature")
SHORTEST = 4  # characters; to replace "1" wherever it stands would spoil every figure

Hush = Callable[[str], str]


def discretion(settings: BaseModel) -> Hush:
    """Takes the secrets of these settings out of a text: secret fields, and passwords, tokens and keys in URLs and headers."""
    values = {value for value in _secrets(settings) if len(value) >= SHORTEST}
    return hiding({str(number): value for number, value in enumerate(sorted(values))}) if values else str


def _secrets(given: object) -> Iterator[str]:
    if isinstance(given, SecretStr):
        yield given.get_secret_value()
    elif isinstance(given, str):
        yield from _of_url(given) if "://" in given else ()
    elif isinstance(given, BaseModel):
        yield from _of_login(given)
        for name in type(given).model_fields:
            yield from _secrets(getattr(given, name))
    elif isinstance(given, Mapping):
        for name, value in given.items():
            if isinstance(value, str) and SECRETIVE.search(str(name)):
                yield from (value, value.rpartition(" ")[2])  # `Bearer TOKEN`, and the token
            yield from _secrets(value)
    elif isinstance(given, list | tuple):
        for one in given:
            yield from _secrets(one)


def _of_url(text: str) -> Iterator[str]:
    try:
        parts = urlsplit(text)
    except ValueError:
        return
    if parts.password:
        yield from (parts.password, unquote(parts.password))
        yield _basic(unquote(parts.username or ""), unquote(parts.password))
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if SECRETIVE.search(unquote(name)):
            yield from (value, unquote(value), unquote_plus(value))


def _of_login(settings: BaseModel) -> Iterator[str]:
    password = getattr(settings, "password", None)
    if isinstance(password, SecretStr):
        yield _basic(getattr(settings, "username", None) or "", password.get_secret_value())


def _basic(username: str, password: str) -> str:
    """As basic authentication sends it."""
    return b64encode(f"{username}:{password}".encode()).decode()
