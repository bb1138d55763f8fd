"""Takes the secrets of settings out of what is said about them: servers repeat what they are told."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from pydantic import BaseModel, SecretStr

from app.net.take import value_redactor
from app.redact import rewritten

SHORTEST = 4  # characters; to replace "1" wherever it stands would spoil every figure

Redactor = Callable[[str], str]


def redactor(settings: BaseModel) -> Redactor:
    """Takes the secrets of these settings out of a text: secret fields, and passwords, tokens and keys in URLs and headers."""
    values = {value for value in _secrets(settings) if len(value) >= SHORTEST}
    return value_redactor({str(number): value for number, value in enumerate(sorted(values))}) if values else str


def _secrets(settings: BaseModel) -> Iterator[str]:
    """Each in every form in which it may be sent, and so come back."""
    plain, parts = _in_clear(settings.model_dump(warnings=False)), list[str]()

    def note(part: str) -> str:
        parts.append(part)
        return part

    rewritten(plain, note, type(settings))
    for part in parts:
        yield from (part, unquote(part), unquote_plus(part), part.rpartition(" ")[2])  # `Bearer TOKEN`, and the token
        user, colon, password = part.partition(":")
        if colon:  # of a URL
            yield from (password, unquote(password), _basic(unquote(user), unquote(password)))
    yield from _logins(plain)


def _in_clear(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {key: _in_clear(one) for key, one in value.items()}
    return [_in_clear(one) for one in value] if isinstance(value, list | tuple) else value


def _logins(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("password"), str):
            yield _basic(value.get("username") or "", value["password"])
        for one in value.values():
            yield from _logins(one)
    elif isinstance(value, list):
        for one in value:
            yield from _logins(one)


def _basic(username: str, password: str) -> str:
    """As basic authentication sends it."""
    return b64encode(f"{username}:{password}".encode()).decode()
