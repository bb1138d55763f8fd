"""A real Prometheus that scrapes one small page."""

import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.programs import program

PAGE = b"""# TYPE shop_orders_open gauge
shop_orders_open{region="eu"} 3
shop_orders_open{region="us"} 0.5
# TYPE shop_odd gauge
shop_odd{kind="nan"} NaN
shop_odd{kind="inf"} +Inf
shop_odd{kind="one"} 1
"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(home: Path) -> Iterator[str]:
    """URL of a Prometheus that has scraped a small page at least once; it keeps its files in `home`."""
    binary = program("prometheus", "prometheus")
    page = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    job: dict[str, object] = {"job_name": "shop", "scrape_interval": "200ms", "scrape_timeout": "200ms"}
    job["static_configs"] = [{"targets": [f"127.0.0.1:{page.server_port}"]}]
    (home / "config.yml").write_text(json.dumps({"scrape_configs": [job]}))
    options = {
        "config.file": home / "config.yml",
        "storage.tsdb.path": home / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (home / "log").open("wb") as log:
        words = [f"--{name}={value}" for name, value in options.items()]
        server = subprocess.Popen([binary, *words], stdout=log, stderr=log, cwd=home)
    try:
        yield _when_it_knows(f"http://127.0.0.1:{port}", server, home / "log")
    finally:
        server.terminate()
        server.wait(10)
        page.shutdown()
        page.server_close()


def _when_it_knows(url: str, server: "subprocess.Popen[bytes]", log: Path) -> str:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/v1/query?query=count(shop_odd)", timeout=5) as answer:
                if json.load(answer)["data"]["result"]:
                    return url
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"Prometheus did not start: {log.read_text()}")
