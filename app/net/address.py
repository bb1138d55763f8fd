"""What an address means however it is written, and whether it is a cloud's metadata service. Pure: nothing is resolved."""

import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

LINK_LOCAL = ip_network("169.254.0.0/16")  # AWS, Azure, Google, Oracle, DigitalOcean, OpenStack ...
METADATA = frozenset({IPv4Address("100.100.100.200"), IPv4Address("192.0.0.192")})  # Alibaba, Oracle's classic one
METADATA_V6 = frozenset({IPv6Address("fd00:ec2::254"), IPv6Address("fd20:ce::254")})  # AWS, Google

# Where an IPv6 address carries an IPv4 one that a router or the kernel may unwrap: (network, how far the 32 bits stand
# from the right). RFC 4291 2.5.5 (compatible, mapped), RFC 2765 (translated), RFC 6052 and 8215 (NAT64), RFC 3056 (6to4).
CARRIERS = tuple(
    (IPv6Network(network), shift)
    for network, shift in (
        ("::/96", 0),
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("2002::/16", 80),
    )
)


def carried(ip: Address) -> Address:
    """The IPv4 address inside an IPv6 one, or the address itself."""
    if isinstance(ip, IPv6Address):
        for network, shift in CARRIERS:
            if ip in network and int(ip) > 1:  # :: and ::1 carry nothing
                return IPv4Address(int(ip) >> shift & 0xFFFF_FFFF)
    return ip


def is_metadata(ip: Address) -> bool:
    """Is this the address of a cloud's metadata service, in any of its forms?"""
    ip = unscoped(ip)
    return ip in METADATA_V6 or carried(ip) in METADATA or carried(ip) in LINK_LOCAL


@lru_cache(maxsize=4096)
def literal(host: str) -> Address | None:
    """The address a host written as a number means, None for a name; takes every form a resolver takes.

    `169.254.169.254.`, `2852039166`, `0xA9FEA9FE`, `0251.0376.0251.0376`, `169.254.43518`, `[::ffff:a9fe:a9fe]`.
    """
    host = host.removeprefix("[").removesuffix("]").rstrip(".")
    try:
        return unscoped(ip_address(host))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host)) if host.isascii() and not set(host) & set(" \t\r\n") else None
    except OSError:
        return None


def refuse_literal(host: str) -> None:
    """Raises ValueError when a host is written as a metadata address: for `config check`, which resolves nothing."""
    ip = literal(host)
    if ip is not None and is_metadata(ip):
        raise ValueError(f"{host.strip('[]')} is a cloud metadata address; Tocsin never connects to those")


def unscoped(ip: Address) -> Address:
    """The address without the interface it is of."""
    return IPv6Address(int(ip)) if isinstance(ip, IPv6Address) and ip.scope_id else ip
