"""What may stand in an HTTP header and in one line of a protocol: what could begin another line is refused where it is read."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2
VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "expect"})  # libcurl's own business
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
BREAKS = frozenset("\r\n\x0b\x0c\x85\u2028\u2029")


def describe_character(char: str) -> str:
    """A description of a character that is not allowed."""
    return "a line break" if char in BREAKS else f"the control character U+{ord(char):04X}"


def header_name(name: str) -> str:
    """The name, when it is one that may be set. Raises ValueError."""
    if not TOKEN.fullmatch(name) or name.lower() in FRAMING:
        raise ValueError(f"{name!r} cannot be set as a header")
    return name


def header_value(value: str) -> str:
    """The value, when it is one. Raises ValueError, which does not quote it."""
    if found := VALUE.search(value):
        problem = describe_character(found[0]) if CONTROL.match(found[0]) else f"{found[0]!r}, which is not Latin-1"
        raise ValueError(f"a header value cannot contain {problem}")
    return value


def _secret_value(secret: SecretStr) -> SecretStr:
    header_value(secret.get_secret_value())
    return secret


Headers = dict[Annotated[str, AfterValidator(header_name)], Annotated[str, AfterValidator(header_value)]]
SecretValue = Annotated[SecretStr, AfterValidator(_secret_value)]  # of a header
