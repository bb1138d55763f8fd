"""One request to one server, from start to end of an event loop."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.net import http
from app.net.http import Failed, Kind, Request, Response
from tests.net.serve import Handler, serve

Runner = Callable[[Coroutine[Any, Any, Response]], Response]  # of an event loop, from its start to its end


def fetch(
    handler: Handler,
    tls: ssl.SSLContext | None = None,
    runner: Runner = asyncio.run,
    path: str = "/",
    scheme: str | None = None,
    **asked: Any,
) -> Response:
    """What one request to one server gets."""

    async def story() -> Response:
        async with serve(handler, tls) as port:
            try:
                url = f"{scheme or ('https' if tls else 'http')}://127.0.0.1:{port}{path}"
                return await http.fetch(Request(url, **{"timeout": 5, **asked}))
            finally:
                await http.close()

    return runner(story())


def failure(handler: Handler, tls: ssl.SSLContext | None = None, **asked: Any) -> Kind:
    with pytest.raises(Failed) as failed:
        fetch(handler, tls, **asked)
    return failed.value.kind


async def once(url: str, **asked: Any) -> Response:
    try:
        return await http.fetch(Request(url, **{"timeout": 5, **asked}))
    finally:
        await http.close()
