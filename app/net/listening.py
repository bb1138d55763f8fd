"""Listening sockets on every address of a host; a name may have one that this machine lacks."""

import errno
import socket
from typing import Any

LACKING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listening(host: str, port: int, backlog: int) -> list[socket.socket]:
    """One socket per address. Raises OSError when there is none, or when one is taken; none is left open then."""
    made: list[socket.socket] = []
    lacking: OSError | None = None
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                made.append(_bound(family, kind, protocol, address, backlog))
            except OSError as error:
                if error.errno not in LACKING:
                    raise
                lacking = error
        if not made and lacking is not None:
            raise lacking
    except OSError:
        for sock in made:
            sock.close()
        raise
    return made


def _bound(family: int, kind: int, protocol: int, address: Any, backlog: int) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock
