"""Echo requests and their replies (ping), IPv4 and IPv6, with no more rights than the system asks for.

A ping socket (SOCK_DGRAM, IPPROTO_ICMP) is lent to the groups of a sysctl; a raw one takes CAP_NET_RAW and receives every reply
that comes to this machine, so a reply is ours only if identifier, sequence number and a random content are.
Source: RFC 792 (echo), RFC 1071 (checksum), RFC 4443 4 (ICMPv6), icmp(7).
"""

import asyncio
import errno
import os
import secrets
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.failure import Failed, Kind
from app.net.datagram import Datagram, Datagrams, Moment
from app.net.resolve import Endpoint
from app.sentence import lower_first

HEAD = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
TYPES = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # request, reply
PROTOCOLS = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
NONCE = 16  # random bytes that identify our replies
GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")  # of IPv6 too


@dataclass(slots=True)
class Echoes:
    """What became of the requests."""

    sent: int = 0
    seconds: dict[int, float] = field(default_factory=dict)  # sequence number -> round trip
    errors: int = 0  # requests that the network refused
    last_error: str = ""  # message of the last one


async def ping(host: Endpoint, *, count: int, interval: float, wait: float, size: int = 56) -> Echoes:
    """Send `count` requests of `size` bytes (16 at least) every `interval` s; replies count until `wait` s after the last.

    Ends early when every request has its reply or was refused. Raises Failed: denied when this process may not ping.
    """
    with _socket(replace(host, port=0)) as opened:
        sender = _Sender(opened, host.family, size)
        listening = asyncio.create_task(sender.listen(count))
        try:
            for number in range(count):
                sender.send(number)
                await asyncio.wait([listening], timeout=wait if number == count - 1 else interval)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        return sender.echoes


class _Sender:
    """One run of requests, and which replies belong to it."""

    def __init__(self, opened: Datagrams, family: socket.AddressFamily, size: int) -> None:
        self._socket = opened
        self._request, self._reply = TYPES[family]
        self._content = secrets.token_bytes(NONCE) + bytes(max(0, size - NONCE))
        kind = opened.socket.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        own = opened.socket.getsockname()[1] if kind == socket.SOCK_DGRAM else 0  # Linux writes its own into a ping socket's
        self._identifier = own or secrets.randbits(16)
        self._sent: dict[int, Moment] = {}
        self.echoes = Echoes()

    def send(self, number: int) -> None:
        """Send one request; a network that refuses it is noted."""
        message = HEAD.pack(self._request, 0, 0, self._identifier, number) + self._content
        message = message[:2] + _checksum(message).to_bytes(2) + message[4:]
        self.echoes.sent += 1
        try:
            self._sent[number] = self._socket.send(message)
        except Failed as failed:
            self._refused(failed)

    async def listen(self, count: int) -> None:
        """Take replies until each of `count` requests has its own, or was refused."""
        while len(self.echoes.seconds) + self.echoes.errors < count:
            try:
                self._record(await self._socket.receive())
            except Failed as failed:  # a router's "destination unreachable"
                self._refused(failed)

    def _refused(self, failed: Failed) -> None:
        self.echoes.errors += 1
        self.echoes.last_error = str(failed)

    def _record(self, datagram: Datagram) -> None:
        data = datagram.data
        if self._reply == 0 and data[:1] and data[0] >> 4 == 4:  # raw sockets, and all of macOS, hand over the IP header too
            data = data[(data[0] & 15) * 4 :]
        if len(data) < HEAD.size or data[HEAD.size :] != self._content:
            return
        kind, _, _, identifier, number = HEAD.unpack_from(data)
        sent = self._sent.get(number)
        if (kind, identifier) == (self._reply, self._identifier) and sent is not None:
            self.echoes.seconds.setdefault(
                number, max(0, datagram.at.monotonic - sent.monotonic) / 1e9
            )  # the first: others are copies


def _socket(to: Endpoint) -> Datagrams:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return Datagrams(to, kind, PROTOCOLS[to.family])
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                raise Failed(Kind.CONNECT, f"{to.address}: this machine has no IPv6") from None
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT):
                raise Failed(Kind.OTHER, f"no socket to ping with: {lower_first(os.strerror(error.errno or 0))}") from None
    raise Failed(Kind.DENIED, _denied())


def _denied() -> str:
    """What is missing, and how it is given."""
    if sys.platform != "linux":
        return "this worker may not open a ping socket or a raw socket; give it permission to"
    try:
        now = " ".join(GROUPS.read_text().split())
    except OSError:
        now = "unreadable"
    return (
        f"this worker may not ping: none of its groups (gid {os.getegid()}) is in the sysctl net.ipv4.ping_group_range"
        f' ({now}), and it lacks the capability CAP_NET_RAW; run: sysctl -w net.ipv4.ping_group_range="0 2147483647"'
    )


def _checksum(message: bytes) -> int:
    padded = message + b"\0" * (len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
