"""One request to one server, from start to end of an event loop."""

import asyncio

import pytest

from app.net import http
from app.net.http import Failed, Kind, Request
from tests.net.serve import serve


def fetch(handler, tls=None, runner=asyncio.run, path="/", scheme=None, **asked):
    """What one request to one server gets."""

    async def story():
        async with serve(handler, tls) as port:
            try:
                url = f"{scheme or ('https' if tls else 'http')}://127.0.0.1:{port}{path}"
                return await http.fetch(Request(url, **{"timeout": 5, **asked}))
            finally:
                await http.close()

    return runner(story())


def failure(handler, tls=None, **asked) -> Kind:
    with pytest.raises(Failed) as failed:
        fetch(handler, tls, **asked)
    return failed.value.kind


async def once(url, **asked):
    try:
        return await http.fetch(Request(url, **{"timeout": 5, **asked}))
    finally:
        await http.close()
