"""A stack of tiny stand-ins, driven by `python -m tests.supervisor.stand_ins COMMAND` under the environment of one home."""

import http.server
import json
import os
import sys

from app.settings import settings, to_start
from app.supervisor import control
from app.supervisor.plan import STEP, Spec


def specs() -> list[Spec]:
    """A step, a console, a worker with a pool child that may ignore SIGTERM, and, if asked for, a process that always fails."""
    servers = [
        name for name, there in (("postgres", settings().embedded_database), ("valkey", settings().embedded_broker)) if there
    ]
    me = (sys.executable, "-m", "tests.supervisor.stand_ins")
    stubborn = "trap '' TERM; " if os.environ.get("STAND_IN_STUBBORN") else ""
    prepare: tuple[str, ...] = ("echo", "! the last good configuration was kept")
    if os.environ.get("STAND_IN_HOPELESS"):
        prepare = ("sh", "-c", "echo tocsin: no database here; exit 78")
    made = [
        Spec("prepare", STEP, prepare, needs=tuple(servers)),
        Spec("web", "web", (*me, "web"), needs=("prepare",), ready=f"http://127.0.0.1:{settings().port}/readyz"),
        Spec("worker", "worker", ("sh", "-c", f"({stubborn}sleep 999) & wait"), needs=("prepare",)),
    ]
    if os.environ.get("STAND_IN_FAILS"):
        made.append(Spec("pager", "pager", ("sh", "-c", "echo no; exit 3"), ready="tcp://127.0.0.1:1"))
    if os.environ.get("STAND_IN_WORKED"):
        odd = f"test -e {settings().home}/odd || {{ touch {settings().home}/odd; sleep 11; }}; exit 78"
        made.append(Spec("odd", "flower", ("sh", "-c", odd)))
    return made


class Console(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"ready": True, "missing": []}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main(command: str) -> int:
    if command == "web":
        http.server.HTTPServer(("127.0.0.1", settings().port), Console).serve_forever()
    from app.cli.failure import exit_status  # not in the console's own start

    return exit_status(lambda: start(command), starts=True)


def start(command: str) -> int:
    if command == "up":
        control.up(to_start(), specs())
    ready = control.up_detached(to_start(), lambda text, red: print("RED" if red else "", text), specs(), timeout=20)
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
