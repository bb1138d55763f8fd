"""Checks run as the runner runs them, and servers on loopback that mean harm."""

import asyncio
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from app.checks.model import Check, Due, Result
from app.checks.run import run_batch
from app.net import http
from tests.net.serve import Handler, serve

AT_ONCE = struct.pack("ii", 1, 0)


def due(
    probe: str,
    timeout: str = "3s",
    memory: Mapping[str, Any] | None = None,
    baseline: Any = None,
    name: str = "c",
    **with_: Any,
) -> Due:
    """A check that is due now."""
    check = Check.model_validate({"probe": probe, "every": "1m", "timeout": timeout, "with": with_})
    return Due(name, check, datetime.now(UTC), memory or {}, baseline)


async def results(dues: Sequence[Due]) -> list[Result]:
    """What the runner makes of a batch."""
    found: list[Result] = []
    async for some in run_batch(dues, datetime.now(UTC)):
        found += some
    return found


def result(probe: str, /, **given: Any) -> Result:
    """What the runner makes of one check."""

    async def story() -> Result:
        found = await results([due(probe, **given)])
        await http.close()
        return found[0]

    return asyncio.run(story())


def against(handler: Handler, probe: str, /, **given: Any) -> Result:
    """What the runner makes of a check of a server of one handler; PORT stands for its port."""

    async def story() -> Result:
        async with serve(handler) as port:
            found = await results([due(probe, **{key: at(port, value) for key, value in given.items()})])
            await http.close()
            return found[0]

    return asyncio.run(story())


def at(port: int, value: Any) -> Any:
    """The setting with the port in it."""
    if isinstance(value, dict):
        return {key: at(port, one) for key, one in value.items()}
    if isinstance(value, list):
        return [at(port, one) for one in value]
    if value == "PORT":
        return port
    return value.replace("PORT", str(port)) if isinstance(value, str) else value


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begins an answer, asked or not, then breaks the connection."""
    with suppress(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.02)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nabc")
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()


async def raves(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Random bytes, and no end of them."""
    while not writer.is_closing():
        writer.write(os.urandom(4096))
        await writer.drain()
        await asyncio.sleep(0.001)  # it shares a core with who listens


async def mutters(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Something, and then nothing more."""
    writer.write(b"\0\xff" * 999)
    await writer.drain()


async def shouts(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Lines of NUL, as fast as they are taken."""
    while not writer.is_closing():
        writer.write(b"\0\xff220-x\r\n" * 4096)
        await writer.drain()
        await asyncio.sleep(0.001)


async def trickles(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A digit now and then, for ever."""
    while not writer.is_closing():
        writer.write(b"2")
        await asyncio.sleep(0.1)
