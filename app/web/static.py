"""Static files, kept by browsers for good since their address carries their digest; and the page for unknown addresses."""

import gzip
from functools import lru_cache

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.packing import takes_gzip
from app.web import problem
from app.web.template import STATIC
from app.web.template import static as address

TEXTS = (".js", ".css", ".svg")
FOREVER = "public, max-age=31536000, immutable"
MACHINES = ("/api/", "/in/", "/v2/", "/ping/", "/a/", "/static/")  # who asks there wants no console page


class Files(StaticFiles):
    """Static files with the console's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, small when the browser can unpack it; one asked for by its digest never changes."""
        response = await super().get_response(path, scope)
        takes = takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
        if response.status_code == 200 and path.endswith(TEXTS) and takes:
            kind = response.headers["content-type"]
            response = Response(
                _packed(path), headers={"Content-Encoding": "gzip", "ETag": response.headers["etag"]}, media_type=kind
            )
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = FOREVER if b"v=" in scope.get("query_string", b"") else "no-cache"
        return response


@lru_cache(maxsize=16)
def _packed(path: str) -> bytes:
    return gzip.compress((STATIC / path).read_bytes(), mtime=0)


def install(app: FastAPI) -> None:
    """Mount /static and /favicon.ico; unknown addresses get a page when a browser asks."""
    app.mount("/static", Files(directory=STATIC), name="static")
    app.add_api_route("/favicon.ico", lambda: RedirectResponse(address("icon.svg"), 301), include_in_schema=False)
    others = app.exception_handlers.get(HTTPException, http_exception_handler)

    async def handle(request: Request, error: Exception) -> Response:
        browser = "text/html" in request.headers.get("accept", "")
        if (
            isinstance(error, HTTPException)
            and error.status_code == 404
            and browser
            and not request.url.path.startswith(MACHINES)
        ):
            return problem.missing(request)
        made: Response = await others(request, error)  # type: ignore[misc]
        return made

    app.add_exception_handler(HTTPException, handle)
