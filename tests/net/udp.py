"""UDP servers on loopback that fail, hang and lie."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

Answers = Callable[[bytes], Iterable[bytes]]  # what is sent back for one datagram


class _Server(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for answer in self.answers(data):
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def serve_udp(answers: Answers, port: int = 0) -> AsyncIterator[int]:
    """A UDP server on a port of 127.0.0.1, a free one unless given."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(answers), ("127.0.0.1", port))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def silent(_: bytes) -> Iterable[bytes]:
    """Takes everything, says nothing."""
    return ()
