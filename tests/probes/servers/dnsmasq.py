"""A real name server of a test's own: dnsmasq, which knows only what its configuration says."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.programs import program

ALONE = ("no-resolv", "no-hosts", "no-poll", "listen-address=127.0.0.1", "bind-interfaces", "log-facility=-", "pid-file")


def free_port() -> int:
    """A port that is free for UDP and TCP on 127.0.0.1."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, suppress(OSError):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            udp.bind(("127.0.0.1", port))
            return port


@contextmanager
def dnsmasq(folder: Path, *lines: str, port: int | None = None) -> Iterator[int]:
    """Its port while it runs with these lines of configuration."""
    binary, port = program("dnsmasq", "dnsmasq-base"), port or free_port()
    conf = folder / f"dnsmasq-{port}.conf"
    conf.write_text("\n".join((*ALONE, f"port={port}", *lines, "")))
    with subprocess.Popen(
        [binary, "--keep-in-foreground", f"--conf-file={conf}"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "started, version" in line:  # after it has bound its sockets
                    break
            else:
                raise AssertionError(f"dnsmasq did not start: {said}")
            yield port
        finally:
            process.terminate()
            process.stderr.read()
