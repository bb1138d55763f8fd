"""The embedded Valkey, the broker: on a Unix socket, in the foreground; messages outlive a restart, though only hints."""

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from app.errors import Unavailable
from app.supervisor import binaries, folders

SOCKET = "valkey.sock"


@dataclass(frozen=True, slots=True)
class Broker:
    """One server: its data, and the folder of its socket."""

    data: Path
    sockets: Path
    durable: bool = True


def locate(home: Path, sockets: Path, durable: bool = True) -> Broker:
    """Where the broker of `home` lives; nothing of it is made yet."""
    return Broker(home / "valkey", sockets, durable)


def install(broker: Broker) -> None:
    """Make its folders."""
    folders.private(broker.data)
    folders.private(broker.sockets)


def argv(broker: Broker) -> list[str]:
    """The server's command line. Its title stays as it is, so that its environment can be read (see leftovers)."""
    options = {
        "port": "0",
        "unixsocket": str(broker.sockets / SOCKET),
        "unixsocketperm": "700",
        "dir": str(broker.data),
        "appendonly": "yes" if broker.durable else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "set-proc-title": "no",
        "always-show-logo": "no",
        "loglevel": "notice" if broker.durable else "warning",
    }
    return [str(binaries.valkey()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def is_ready(broker: Broker) -> bool:
    """Whether it answers a PING; while it still loads its data it says so instead."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(0.5)
        try:
            line.connect(str(broker.sockets / SOCKET))
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def wait_ready(broker: Broker, timeout: float = 30.0) -> None:
    """Block until it answers. Raises Unavailable after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_ready(broker):
        if time.monotonic() > deadline:
            raise Unavailable(f"the embedded Valkey is not ready after {timeout:.0f} s")
        time.sleep(0.01)


def url(sockets: Path) -> str:
    """Kombu's URL of the broker in `sockets`."""
    return f"redis+socket://{sockets}/{SOCKET}"
