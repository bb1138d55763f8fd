"""One map from errors to answers: whoever tells of an error, over whichever doorway, its class decides the status."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DataError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request

from app import errors
from app.api import link, managing, problem
from app.cli.failure import exit_status
from app.errors import TocsinError
from app.web import problem as console


def kinds(of: type[TocsinError] = TocsinError) -> Iterator[type[TocsinError]]:
    """Every error of ours, wherever it is declared."""
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


# Those that end an attempt to reach something; what asked for it says what that means, so nobody is answered with them.
INSIDE = {"Failed", "NotSent"}
OURS = {kind for kind in kinds() if kind.__module__ == errors.__name__}  # whatever else this process has imported
KINDS = sorted({kind for kind in OURS if kind.__name__ not in INSIDE}, key=lambda kind: kind.__name__)

every_error = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def request() -> Request:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": [], "state": {}}
    return Request({**scope, "server": ("h", 80), "scheme": "http", "app": None})


def by_api(error: Exception) -> int:
    """The status of a call whose route raises this."""
    app = FastAPI()
    problem.install(app)

    @app.get("/x")
    def raises() -> None:
        raise error

    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(app(request().scope, receive, send))
    return int(said[0]["status"])


def by_console(error: Exception) -> int:
    return console.answer(request(), error).status_code


@every_error
def test_every_error_gets_the_same_status_everywhere(kind: type[TocsinError]) -> None:
    error = kind("it is so")
    answers = {"api": by_api(error), "console": by_console(error), "link": link.refusal(error).status_code}
    assert answers == dict.fromkeys(answers, kind.status)


@every_error
def test_healthchecks_clients_get_their_own_status_where_theirs_differs_and_ours_elsewhere(kind: type[TocsinError]) -> None:
    differing = {errors.Invalid: 400, errors.Conflict: 403}
    assert managing.refusal(kind("it is so")).status_code == differing.get(kind, kind.status)


@every_error
def test_a_command_ends_with_the_status_of_its_error(kind: type[TocsinError]) -> None:
    def run() -> None:
        raise kind("it is so")

    assert exit_status(run) == kind.exit_status


def test_the_tree_that_is_drawn_is_the_one_that_holds() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+) {2,}\S.*?(?:-> HTTP (\d+))?(?:, exit (\d))?$", errors.__doc__ or "", re.MULTILINE)
    known = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TocsinError)}
    assert {name for name, *_ in drawn} | {"TocsinError"} == set(known)
    for name, status, code in drawn:
        assert int(status or known[name].status) == known[name].status
        assert int(code or known[name].exit_status) == known[name].exit_status


class Driver(Exception):
    sqlstate = "42P01"


@pytest.mark.parametrize(
    "error, status",
    [
        (OperationalError("select", {}, Exception("gone")), 503),
        (InterfaceError("select", {}, Exception("closed")), 503),
        (PoolTimeout("every connection is in use"), 503),
        (ProgrammingError("select", {}, Driver("no such table")), 503),
        (DataError("select", {}, Exception("NUL")), 422),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 422),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_the_database_raises_means_the_same_everywhere(error: Exception, status: int) -> None:
    assert (by_api(error), by_console(error)) == (status, status)


def test_what_a_client_does_too_often_says_when_to_come_back() -> None:
    response = console.answer(request(), errors.TooOften("slow down", seconds=2.5))
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
