"""A closed-loop load generator: Debian's wrk, whose Lua script makes every body anew."""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import peers

# One alert of 9 labels and 3 annotations, about 680 bytes, as a monitoring system sends it; %KEY% is what makes it another one.
LABELS = {
    "alertname": "HighRequestLatency",
    "cluster": "eu-west-1-production",
    "namespace": "checkout",
    "pod": "checkout-%KEY%",
    "container": "server",
    "job": "kubernetes-pods",
    "instance": "10.12.7.33:9102",
    "severity": "warning",
    "service": "checkout",
}
ANNOTATIONS = {
    "summary": "Requests of checkout-%KEY% take longer than half a second at the 99th percentile",
    "description": "p99 of the last five minutes is 0.83 s, the objective 0.5 s. See the dashboard for the slowest endpoint.",
    "dashboard": "https://grafana.example.org/d/checkout/overview?var-pod=checkout-%KEY%",
}
_SCRIPT = """
local thread_number = 0
function setup(thread) thread:set("number", thread_number); thread_number = thread_number + 1 end
local parts, head, tail = %(parts)s, %(head)s, %(tail)s
local batch, known = %(batch)d, %(known)d
local made, bodies = 0, {}
local function body(from)
  local alerts = {}
  for n = 1, batch do alerts[n] = table.concat(parts, "%(prefix)s" .. number .. "x" .. (from + n)) end
  return head .. table.concat(alerts, ",") .. tail
end
function request()
  local text
  if known > 0 then
    local which = made %% known
    text = bodies[which] or body(which * batch)
    bodies[which] = text
  else
    text = body(made * batch)
  end
  made = made + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json", ["Authorization"] = "%(authorization)s"}, text)
end
%(done)s"""
_DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  local wrong = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "wrong": %d, "p50": %f, "p99": %f}\\n',
    summary.requests, summary.duration / 1e6, wrong, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""
_GET = """
local paths, asked = {%(paths)s}, 0
function request()
  asked = asked + 1
  return wrk.format("GET", paths[asked %% #paths + 1])
end
%(done)s"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a receiver took: answers in how many seconds, those that were no success, and milliseconds until them."""

    requests: int
    seconds: float
    wrong: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Form:
    """How a receiver wants an alert, and a list of them."""

    url: str
    alert: object
    head: str
    tail: str
    authorization: str = ""


def post(form: Form, prefix: str, *, batch: int, connections: int, seconds: int, known: int = 0) -> Load:
    """Post alerts as fast as they are taken. known: how many bodies are sent again and again; 0: every alert is another one.

    Raises NotInstalled.
    """
    parts = json.dumps(form.alert, separators=(",", ":")).split("%KEY%")
    lua = _SCRIPT % {
        "parts": "{" + ", ".join(_quoted(part) for part in parts) + "}",
        "head": _quoted(form.head),
        "tail": _quoted(form.tail),
        "batch": batch,
        "known": known,
        "prefix": prefix,
        "authorization": form.authorization,
        "done": _DONE,
    }
    return _run(lua, form.url, connections, seconds)


def get(url: str, paths: Iterable[str], *, connections: int, seconds: int) -> Load:
    """Ask for these paths in turn, as fast as they are answered. Raises NotInstalled."""
    lua = _GET % {"paths": ", ".join(_quoted(one) for one in paths), "done": _DONE}
    return _run(lua, url, connections, seconds)


def _run(lua: str, url: str, connections: int, seconds: int) -> Load:
    program = peers.find("wrk", "wrk")
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(lua)
        words: Sequence[str] = (
            program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url,
        )  # fmt: skip
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return Load(**json.loads(said.splitlines()[-1]))


def _quoted(text: str) -> str:
    """Text as Lua writes it."""
    return f"[==[{text}]==]"
