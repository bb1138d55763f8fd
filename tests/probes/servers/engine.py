"""Docker's Engine API as dockerd 20.10 speaks it (recorded from a real one), on a Unix socket or TCP.

No engine runs in CI.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.net.serve import Handler

NEVER = "0001-01-01T00:00:00Z"
ENDED = (datetime.now(UTC) - timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def container(name: str, status: str = "running", health: str = "", restarts: int = 0, **state: Any) -> dict[str, Any]:
    """What `GET /containers/NAME/json` says, without the parts nobody reads."""
    running = status in ("running", "paused", "restarting")
    told = {
        "Status": status, "Running": running, "Paused": status == "paused", "Restarting": status == "restarting",
        "OOMKilled": False, "Dead": False, "Pid": 19203 if running else 0, "ExitCode": 0, "Error": "",
        "StartedAt": "2026-11-23T12:19:19.077186587Z", "FinishedAt": NEVER, **state,
    }  # fmt: skip
    if health:
        log = [{"ExitCode": 1, "Output": "old news"}, {"ExitCode": 1, "Output": "cannot reach\nthe database\n"}]
        told["Health"] = {"Status": health, "FailingStreak": 7 if health == "unhealthy" else 0, "Log": log}
    return {"Id": f"{name:0<64}", "Name": f"/{name}", "State": told, "RestartCount": restarts}


def engine(*containers: dict[str, Any], asked: list[str] | None = None) -> Handler:
    """A daemon that has these containers; what is asked for is noted in `asked`."""

    def answer(target: str) -> tuple[int, Any]:
        url = urlsplit(target)
        if asked is not None:
            asked.append(unquote(target))
        if url.path == "/containers/json":
            ended_too = parse_qs(url.query).get("all") == ["1"]
            return 200, [{"Id": one["Id"]} for one in containers if ended_too or one["State"]["Running"]]
        name = url.path.split("/")[2]
        found = [one for one in containers if name in (one["Id"], one["Name"][1:])]
        return (200, found[0]) if found else (404, {"message": f"No such container: {name}"})

    return api(answer)


def api(answer: Callable[[str], tuple[int, Any]]) -> Handler:
    """A server that answers each path with a status and JSON, or bytes as they are."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status, told = answer(head.split()[1].decode())
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return talk


@asynccontextmanager
async def listening(handler: Handler, path: Path) -> AsyncIterator[None]:
    """A server of one handler on a Unix socket; nothing of it is left behind the block."""
    tasks: set[asyncio.Task[object]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_unix_server(one, path)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
