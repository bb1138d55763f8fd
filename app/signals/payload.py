"""The JSON of a call: how large and how deep it may be, and what it says. Pure."""

import re
from typing import Any

import orjson

from app.errors import Invalid, TooLarge

BODY, NESTING = 8 << 20, 20  # bytes of a body, unpacked; brackets within brackets
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^][{}]+")


def decode(body: bytes) -> Any:
    """The JSON value of a body. Raises TooLarge for its size or depth, Invalid for what is not JSON."""
    if len(body) > BODY:
        raise TooLarge(f"the body is {len(body)} bytes; at most {BODY} are allowed")
    if too_deep(body):
        raise TooLarge(f"the body is nested more than {NESTING} levels deep")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not JSON: {error}") from None


def too_deep(body: bytes, limit: int = NESTING) -> bool:
    """Whether brackets are nested deeper than `limit`, without building anything."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    depth = 0
    for byte in _NO_BRACKET.sub(b"", _STRING.sub(b"", body)):
        depth += 1 if byte in b"[{" else -1
        if depth > limit:
            return True
    return False
