"""A real HTTP server on loopback that keeps what it was sent; it answers as it is told, path by path."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came, and what is answered: `answers[path]` is a list of statuses (the last one stays); 200 otherwise."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, enough: Callable[[list[Received]], bool], seconds: float = 10) -> list[Received]:
        """Wait until what came is enough; what came by then."""
        deadline = time.monotonic() + seconds
        with self.arrived:
            while not enough(self.received) and (left := deadline - time.monotonic()) > 0:
                self.arrived.wait(left)
        return list(self.received)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve until the block ends."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            time.sleep(kept.delay.get(self.path, 0))
            with kept.arrived:
                answers = kept.answers.get(self.path, [200])
                status = answers.pop(0) if len(answers) > 1 else answers[0]
                headers = {name.lower(): value for name, value in self.headers.items()}
                kept.received.append(Received(self.path, headers, body, time.time()))
                kept.arrived.notify_all()
            self.send_response(status)
            for name, value in kept.headers.get(self.path, {}).items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512  # two senders connect 128 times at once

    server = Server(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
