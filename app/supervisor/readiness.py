"""Whether a process does its job yet, asked at an address; written by hand because it runs in the keeper, which stays small."""

import asyncio
import json
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TIMEOUT = 1.5  # seconds for the console, which asks its broker in that time
CONNECT_TIMEOUT = 0.7  # seconds for a server on its socket
LIMIT = 65_536  # bytes of an answer


async def missing(name: str, address: str, pid: int) -> tuple[str, ...]:
    """What `name`, process `pid`, lacks; empty when it is ready.

    address: `pidfile:///PATH` (PostgreSQL's), `redis+socket:///PATH` (PING), `tcp://HOST:PORT` (open),
    `http(s)://...` (200, or what its JSON calls `missing`, but for workers at other locations, which are not ours to wait
    for), or empty: always ready.
    """
    if not address:
        return ()
    url = urlsplit(address)
    try:
        if url.scheme == "pidfile":
            return () if accepts_sessions(Path(url.path), pid) else (name,)
        async with asyncio.timeout(TIMEOUT if url.scheme.startswith("http") else CONNECT_TIMEOUT):
            if url.scheme.startswith("http"):
                return tuple(what for what in (await _http(name, url))[1] if "@" not in what)
            answer = await _socket(url)
        if answer.startswith(b"-MISCONF"):  # its disk is full, or not writable
            return (name, f"{name}:cannot-write")
        return () if answer.startswith(b"+PONG") or url.scheme == "tcp" else (name,)
    except (OSError, TimeoutError, ValueError):
        return (name,)


def accepts_sessions(pidfile: Path, pid: int) -> bool:
    """Whether PostgreSQL `pid` says so in its postmaster.pid (pg_ctl reads the same line); a crash leaves an old one behind."""
    return pid_status(pidfile, pid) == "ready"


def pid_status(pidfile: Path, pid: int) -> str:
    """What PostgreSQL `pid` says of itself: starting, ready, standby or stopping; empty when nothing, or of another one."""
    try:
        lines = pidfile.read_text().splitlines()
    except OSError:
        return ""
    return lines[7].strip() if len(lines) >= 8 and lines[0].strip() == str(pid) else ""


async def _socket(url: SplitResult) -> bytes:
    if url.scheme == "tcp":
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.close()
        return b""
    reader, writer = await asyncio.open_unix_connection(url.path)
    writer.write(b"PING\r\n")
    answer = await reader.read(64)
    writer.close()
    return answer


async def console(name: str, address: str) -> tuple[bool, tuple[str, ...]]:
    """Whether `address` answers 200, and what it calls missing."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await _http(name, urlsplit(address))
    except (OSError, TimeoutError, ValueError):
        return False, (name,)


async def _http(name: str, url: SplitResult) -> tuple[bool, tuple[str, ...]]:
    """HTTP/1.0 GET. A certificate is not checked: it is our own, asked over loopback, where its name rarely fits."""
    context = None
    if url.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    try:
        writer.write(f"GET {url.path} HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode())
        answer = await reader.read(LIMIT)
        while len(answer) < LIMIT and (more := await reader.read(LIMIT)):
            answer += more
    finally:
        writer.close()
    return _what(name, answer)


def _what(name: str, answer: bytes) -> tuple[bool, tuple[str, ...]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    ok = head.split(b" ")[1:2] == [b"200"]
    try:
        found = json.loads(body)["missing"]
    except (ValueError, KeyError, TypeError):
        found = ()
    return ok, tuple(str(item) for item in found) or (() if ok else (name,))
