"""URLs and hosts as people write them into checks and channels: judged when read, before anything connects.

`Url` and `Host` are the types of spec fields: a wrong one, or a literal metadata address, is an error in `config check`.
"""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from app.net.address import refuse_literal

_HOST = re.compile(r"\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[\w.-]+", re.ASCII)
_URL = re.compile(rf"(?i:https?)://(?:[^@/?#]*@)?(?P<host>{_HOST.pattern})(?::(?P<port>\d{{1,5}}))?(?:[/?#].*)?", re.ASCII)
_LABELS = re.compile(r"(?=.{1,254}$)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?", re.ASCII)  # RFC 1035 2.3.4
# Spaces, controls, CR and LF, what is beyond ASCII; and the backslash, which every parser reads its own way.
_ODD = re.compile(r"[^\x21-\x7e]|\\")


@lru_cache(maxsize=4096)
def http_url(text: str) -> str:
    """The URL, when it is a sound http or https one. Raises ValueError that says what is wrong; never quotes the URL."""
    odd = _ODD.search(text)
    if odd:
        raise ValueError(f"a URL cannot contain {odd[0]!r}; write it percent-encoded (host names in punycode)")
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("not an http:// or https:// URL with a host")
    if match["port"] and not 0 < int(match["port"]) <= 65535:
        raise ValueError(f"port {match['port']} is not between 1 and 65535")
    refuse_literal(match["host"])
    return text


@lru_cache(maxsize=4096)
def host_and_port(url: str) -> tuple[str, int]:
    """Where a sound URL leads; the host without brackets."""
    match = _URL.fullmatch(url)
    assert match is not None
    port = match["port"] or (443 if url[:5].lower() == "https" else 80)
    return match["host"].strip("[]"), int(port)


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port, to be compared; None for what is no http or https URL."""
    match = _URL.fullmatch(url)
    return match and (url.partition(":")[0].lower(), *host_and_port(url.replace(match["host"], match["host"].lower(), 1)))


def host_name(text: str) -> str:
    """The host, when it is a name or address without port. Raises ValueError that says what is wrong."""
    bare = text.removeprefix("[").removesuffix("]")
    if not (_HOST.fullmatch(bare) or _HOST.fullmatch(f"[{bare}]")):
        also = "" if bare.isascii() else "; write it in punycode, as xn--bcher-kva.example"
        raise ValueError(f"{text[:80]!r} is not a host name or address; the port is a separate setting{also}")
    if ":" not in bare and not _LABELS.fullmatch(bare):
        raise ValueError(f"{text[:80]!r} is not a host name: each label must be 1 to 63 characters, 253 in all")
    refuse_literal(bare)
    return bare


Url = Annotated[str, AfterValidator(http_url), WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://"})]
Host = Annotated[str, AfterValidator(host_name)]
