"""Docker's Engine API, as Podman speaks it too: containers and how they are, read only, over a Unix socket or TCP.

Source: Docker Engine API reference, "Containers". Paths carry no version, so that the daemon answers in its own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from pydantic import AfterValidator

from app.failure import Failed, Kind
from app.net.http import Request, fetch
from app.net.url import http_url

MOST_BYTES = 8 << 20  # of one answer; a container in the list takes 1 to 4 KiB


def engine_url(text: str) -> str:
    """The URL, when it is one as DOCKER_HOST takes them. Raises ValueError."""
    scheme, _, rest = text.partition("://")
    if scheme == "unix" and rest.startswith("/") and "\0" not in rest:
        return text
    if scheme not in ("tcp", "http", "https"):
        raise ValueError("not a unix:///PATH, tcp://HOST:PORT, http:// or https:// URL")
    if scheme == "tcp" and ":" not in rest.rpartition("]")[2].split("/")[0]:
        raise ValueError("a tcp:// URL needs a port; 2375 without TLS")
    http_url(_over_http(text))
    return text


EngineUrl = Annotated[str, AfterValidator(engine_url)]


@dataclass(frozen=True, slots=True)
class Container:
    """How one container is."""

    id: str
    name: str
    state: str  # created, running, paused, restarting, removing, exited, dead
    exit_code: int
    out_of_memory: bool  # the kernel killed it for that
    error: str  # why it could not be started
    ended_at: datetime | None
    restarts: int  # by its restart policy, since it was last started by hand
    health: str  # healthy, unhealthy, starting; empty without a health check
    failures: int  # health checks failed in a row
    health_output: str  # output of the last health check


@dataclass(frozen=True, slots=True)
class Engine:
    """One daemon."""

    url: str
    timeout: float  # seconds for one answer
    verify_tls: bool = True
    ca: str | None = None

    async def ids(self, label: str | None) -> list[str]:
        """Containers with a label, ended ones too; without one those that run. Raises Failed."""
        query = "all=1&filters=" + quote(orjson.dumps({"label": [label]})) if label else ""
        answer = await self._ask(f"/containers/json?{query}")
        if not isinstance(answer, list) or not all(isinstance(one, dict) and isinstance(one.get("Id"), str) for one in answer):
            raise Failed(Kind.PROTOCOL, "its list of containers is invalid: is this a Docker engine?")
        return [one["Id"] for one in answer]

    async def container(self, name: str) -> Container | None:
        """The container of a name or id; None when there is none. Raises Failed."""
        answer = await self._ask(f"/containers/{quote(name, safe='')}/json")
        try:
            return None if answer is None else _read(answer)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Failed(Kind.PROTOCOL, f"its response about {name} cannot be parsed: is this a Docker engine?") from None

    async def _ask(self, path: str) -> Any:
        """The answer as JSON; None when it is: not found."""
        over_socket = self.url.startswith("unix://")
        base = "http://docker" if over_socket else _over_http(self.url).rstrip("/")
        response = await fetch(
            Request(
                base + path, timeout=self.timeout, max_bytes=MOST_BYTES, verify_tls=self.verify_tls, ca=self.ca, fresh=True,
                socket=self.url.removeprefix("unix://") if over_socket else None,
            )
        )  # fmt: skip
        try:
            answer = orjson.loads(response.body)
        except ValueError:
            answer = None
        message = str(answer.get("message"))[:200] if isinstance(answer, dict) and "message" in answer else ""
        if response.status == 404 and message:
            return None
        if response.status in (401, 403):
            raise Failed(Kind.DENIED, f"it returned {response.status}: {message or 'not allowed'}")
        if response.status != 200 or answer is None:
            what = "response too large" if response.truncated else message or "no Engine API"
            raise Failed(Kind.PROTOCOL, f"it returned {response.status}, {what}")
        return answer


def _over_http(url: str) -> str:
    return "http://" + url.removeprefix("tcp://") if url.startswith("tcp://") else url


def _read(details: dict[str, Any]) -> Container:
    state = details["State"]
    health = state.get("Health") or {}
    log = health.get("Log") or [{}]
    return Container(
        id=str(details["Id"]),
        name=str(details["Name"]).removeprefix("/"),
        state=str(state["Status"]),
        exit_code=int(state.get("ExitCode") or 0),
        out_of_memory=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        ended_at=_time(str(state.get("FinishedAt") or "")),
        restarts=int(details.get("RestartCount") or 0),
        health={"none": ""}.get(status := str(health.get("Status") or ""), status),
        failures=int(health.get("FailingStreak") or 0),
        health_output=" ".join(str(log[-1].get("Output") or "").split()),
    )


def _time(text: str) -> datetime | None:
    time = datetime.fromisoformat(text) if text else None
    return time if time and time.year > 1 and time.tzinfo else None  # the year 1 stands for never
