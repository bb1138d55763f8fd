"""Who really asks, and by which address, when a declared proxy stands in front. Pure over an ASGI scope.

X-Forwarded-For is read from the right: each proxy adds its client, so the first address that is no proxy of ours is the
client, and what stands left of it was sent by that client. Of anybody else no such header counts.
"""

import re
from collections.abc import MutableMapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Scope = MutableMapping[str, Any]
Network = IPv4Network | IPv6Network
MAX_HOPS = 32  # hops examined
_HOST = re.compile(rb"[A-Za-z0-9._-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")
_PORT = re.compile(r"\[?([^\[\]]+?)\]?(?::\d{1,5})?")


def seen_through(scope: Scope, trusted: Sequence[Network]) -> Scope:
    """The scope with client, scheme and host as the client's own request had them; itself unless a trusted proxy sent it."""
    peer = address((scope.get("client") or ("",))[0])
    if peer is None or not _within(peer, trusted):
        return scope
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    changed: dict[str, Any] = {"state": {**scope.get("state", {}), "proxied": True}}
    client = _client(peer, _all(headers, b"x-forwarded-for"), trusted)
    changed["client"] = (str(client), 0)
    scheme = _last(headers, b"x-forwarded-proto").lower()
    if scheme in (b"http", b"https"):
        changed["scheme"] = scheme.decode()
    host = _last(headers, b"x-forwarded-host")
    if _HOST.fullmatch(host):
        changed["headers"] = [(b"host", host), *((name, value) for name, value in headers if name != b"host")]
    return {**scope, **changed}


def address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, without port and brackets, IPv4 in IPv6 as IPv4; None when it is none."""
    bare = text.strip()
    for one in (bare, match[1] if (match := _PORT.fullmatch(bare)) else ""):
        try:
            found = ip_address(one.partition("%")[0])
        except ValueError:
            continue
        return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
    return None


def block(text: str) -> str:
    """What stands for one client when tries are counted: the address, of IPv6 its /64; the text itself when it is none."""
    found = address(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found) if found is not None else text[:64]


def _client(peer: IPv4Address | IPv6Address, hops: Sequence[str], trusted: Sequence[Network]) -> IPv4Address | IPv6Address:
    client = peer
    for hop in reversed(hops[-MAX_HOPS:]):
        found = address(hop)
        if found is None:
            return client
        client = found
        if not _within(found, trusted):
            return client
    return client


def _within(one: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(one in network for network in trusted)


def _all(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [hop for key, value in headers if key == name for hop in value.decode("latin-1").split(",")]


def _last(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    values = [value for key, value in headers if key == name]
    return values[-1].rpartition(b",")[2].strip() if values else b""
