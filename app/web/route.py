"""The route class of the console: rejects foreign forms, renders errors as pages, and sends the security headers."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.web import problem
from app.web.guard import HEADERS, check_form

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Page(APIRoute):
    """A page, or a form's target."""

    def get_route_handler(self) -> Handler:
        """The handler, wrapped as every console route is."""
        own = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                if request.method == "POST":
                    await check_form(request)
                response = await own(request)
            except ClientDisconnect:
                raise  # nobody is there to read a page
            except Exception as error:  # noqa: BLE001 - the web boundary: answered as a page, logged with its trace id
                response = problem.answer(request, error)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handle


def pages() -> APIRouter:
    """A router for one noun's pages."""
    return APIRouter(route_class=Page, include_in_schema=False)
