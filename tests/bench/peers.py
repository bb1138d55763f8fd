"""A web server to be probed, and the peer that probes it as we do: nginx and the blackbox exporter, as Debian packages them."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.net.serve import certificate
from tests.programs import SYSTEM
from tests.stack import free_port

SAID = "Pay here"
BODY = f"<!doctype html><title>Shop</title><p>{SAID}{'.' * 500}\n"
CONNECTIONS = 4096

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log error;
events {{ worker_connections {connections}; }}
http {{
  access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t; default_type text/html;
  server {{
    listen 127.0.0.1:{http} backlog=1024; listen 127.0.0.1:{https} ssl backlog=1024;
    ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_session_cache off; ssl_session_tickets off;
    location / {{ root {folder}/www; }}
  }}
}}
"""
_MODULES = """
modules:
  http: {{ prober: http, timeout: 10s, http: {{ {common} }} }}
  https: {{ prober: http, timeout: 10s, http: {{ {common}, tls_config: {{ insecure_skip_verify: true }} }} }}
  verified: {{ prober: http, timeout: 10s, http: {{ {common}, tls_config: {{ ca_file: "{pem}" }} }} }}
"""
_COMMON = f'preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ["{SAID}"]'


class NotInstalled(Exception):
    """A program that a part of the benchmarks needs is not here: the part is left out, and says so."""


@dataclass(frozen=True, slots=True)
class Web:
    """A web server on loopback that says the same page over HTTP and HTTPS."""

    pid: int
    http: str
    https: str
    pem: Path  # its certificate, which is its own authority


@contextmanager
def nginx(folder: Path) -> Iterator[Web]:
    """One nginx process; a full handshake on every connection."""
    program, pem, http, https = find("nginx", "nginx-light"), certificate(folder), free_port(), free_port()
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text(BODY)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, http=http, https=https, pem=pem, connections=CONNECTIONS))
    with _running([program, "-p", str(folder), "-c", "nginx.conf"], (http, https)) as pid:
        yield Web(pid, f"http://127.0.0.1:{http}/", f"https://127.0.0.1:{https}/", pem)


@contextmanager
def blackbox(folder: Path, web: Web) -> Iterator[tuple[int, str]]:
    """The exporter's process and where it is asked to probe; modules `http`, `https` and `verified` as ours are."""
    program, port = find("prometheus-blackbox-exporter", "prometheus-blackbox-exporter"), free_port()
    (folder / "blackbox.yml").write_text(_MODULES.format(common=_COMMON, pem=web.pem))
    words = [program, f"--config.file={folder}/blackbox.yml", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with _running(words, (port,)) as pid:
        yield pid, f"http://127.0.0.1:{port}/probe"


@contextmanager
def alertmanager(folder: str, webhook: str | None = None) -> Iterator[tuple[int, str]]:
    """Alertmanager's process and its URL; it notifies nobody, or at once the webhook of each alert."""
    program, port = find("prometheus-alertmanager", "prometheus-alertmanager"), free_port()
    hooks = f"webhook_configs: [{{url: '{webhook}', send_resolved: false}}]" if webhook else ""
    receivers = f"receivers: [{{name: r{', ' if hooks else ''}{hooks}}}]"
    (Path(folder) / "alertmanager.yml").write_text(f"route: {{receiver: r, group_by: ['...'], group_wait: 0s}}\n{receivers}\n")
    words = [
        program, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data", "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    with _running(words, (port,)) as pid:
        yield pid, f"http://127.0.0.1:{port}"


def find(name: str, package: str) -> str:
    """Where a program is. Raises NotInstalled that names its package."""
    for folder in SYSTEM.split(":"):
        if (path := Path(folder) / name).is_file():
            return str(path)
    raise NotInstalled(f"{package} is not installed (a Debian package)")


def version(name: str, package: str, flag: str = "--version") -> str:
    """`NAME 1.2.3`, or that it is not here."""
    try:
        said = subprocess.run([find(name, package), flag], capture_output=True, text=True, check=False)
    except NotInstalled:
        return f"{package} (not installed)"
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return f"{package} {found[0] if found else '?'}"


@contextmanager
def _running(words: Sequence[str], ports: Sequence[int]) -> Iterator[int]:
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for port in ports:
                _wait(port)
            yield server.pid
        finally:
            server.terminate()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
