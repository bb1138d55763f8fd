"""A network of its own (Linux namespace) in which this program pings hosts that answer, fall silent and lie; prints JSON.

Run by tests/probes/test_icmp.py as `unshare --net python -m tests.probes.servers.echo`: rights and replies differ by scenario.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.probes.run import measured

GROUPS, MUTE = Path("/proc/sys/net/ipv4/ping_group_range"), Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")
OURS = "0 0"  # the one group that a user namespace has
CAP_NET_RAW = 13
HEAD = struct.Struct("!BBHHH")
Lie = Callable[[int, int, bytes], list[tuple[int, int, bytes]]]  # identifier, sequence, content -> those of the replies


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING


def raw_right(granted: bool) -> None:
    """Give this thread CAP_NET_RAW or take it, among what it may have. Source: capset(2)."""
    header, sets = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, sets) == 0
    words = list(struct.unpack("6I", sets.raw))
    words[0] = words[0] | 1 << CAP_NET_RAW if granted else words[0] & ~(1 << CAP_NET_RAW)
    assert libc.capset(header, struct.pack("6I", *words)) == 0, os.strerror(ctypes.get_errno())


def checksum(message: bytes) -> int:
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


@contextmanager
def lying(lie: Lie) -> Iterator[None]:
    """The kernel answers no echo request; a thread does, with what `lie` makes of it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    listener.settimeout(0.05)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                packet, sender = listener.recvfrom(65535)
            except TimeoutError:
                continue
            kind, _, _, identifier, number = HEAD.unpack_from(packet, 20)
            if kind != 8:
                continue
            for said in lie(identifier, number, packet[28:]):
                reply = HEAD.pack(0, 0, 0, said[0], said[1]) + said[2]
                listener.sendto(reply[:2] + checksum(reply).to_bytes(2) + reply[4:], sender)

    thread = threading.Thread(target=work)
    MUTE.write_text("1")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        listener.close()
        MUTE.write_text("0")


LIES: dict[str, Lie] = {
    "silence": lambda identifier, number, content: [],
    "another identifier": lambda identifier, number, content: [(identifier ^ 1, number, content)],
    "another content": lambda identifier, number, content: [(identifier, number, content[::-1])],
    "a number never sent": lambda identifier, number, content: [(identifier, number + 1000, content)],
    "cut content": lambda identifier, number, content: [(identifier, number, content[:20])],
    "no content": lambda identifier, number, content: [(identifier, number, b"")],
    "every reply thrice": lambda identifier, number, content: [(identifier, number, content)] * 3,
    "every second reply": lambda identifier, number, content: [(identifier, number, content)][number % 2 :],
    "four of five replies": lambda identifier, number, content: [(identifier, number, content)][number // 4 :],
}


async def pinged(host: str = "127.0.0.1", timeout: float = 3.0, **with_: Any) -> dict[str, Any]:
    return asdict(await measured("health.icmp", timeout, host=host, **{"interval": 0.01, "wait": 0.2, **with_}))


async def pinged_by_name(*addresses: str) -> dict[str, Any]:
    """What is found of a name that has these addresses."""
    real = socket.getaddrinfo
    families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
    answer = [(family, socket.SOCK_STREAM, 6, "", (one, 0)) for family, one in zip(families, addresses, strict=True)]

    def stand_in(host: Any, *words: Any, **named: Any) -> Any:
        return answer if host == "two.example" else real(host, *words, **named)

    socket.getaddrinfo = stand_in
    try:
        return await pinged("two.example")
    finally:
        socket.getaddrinfo = real


async def both() -> dict[str, Any]:
    one, other = await asyncio.gather(pinged(), pinged())
    return one | {"metrics": {name: min(one["metrics"][name], other["metrics"][name]) for name in ("received", "sent")}}


def main() -> None:
    loopback_up()
    found = {  # a new network lends ping sockets to nobody
        "raw socket": asyncio.run(pinged()),
        "raw socket, IPv6": asyncio.run(pinged("::1")),
        "two at once": asyncio.run(both()),
    }
    for name, lie in LIES.items():
        with lying(lie):
            found[name] = asyncio.run(pinged())
    raw_right(False)
    found["no right"] = asyncio.run(pinged())
    GROUPS.write_text(OURS)
    found["ping socket"] = asyncio.run(pinged())
    found["ping socket, IPv6"] = asyncio.run(pinged("::1"))
    found["no way there"] = asyncio.run(pinged("192.0.2.1"))
    found["the first address has no way"] = asyncio.run(pinged_by_name("192.0.2.1", "127.0.0.1"))
    found["no address has a way"] = asyncio.run(pinged_by_name("192.0.2.1", "192.0.2.2"))
    raw_right(True)  # the liar needs it; the ping socket still comes first
    with lying(LIES["silence"]):
        found["the first address is silent"] = asyncio.run(pinged_by_name("127.0.0.1", "::1"))
        found["silence, little time"] = asyncio.run(pinged(timeout=0.4, count=20, interval=1, wait=60))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
