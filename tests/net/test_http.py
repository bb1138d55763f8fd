"""An HTTP request is sent as said and goes only where it may."""

import asyncio
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvloop

from app.net import http
from app.net.http import Failed, Kind, Request, Response
from app.settings import settings
from tests.net.asking import Runner, failure, fetch, once
from tests.net.serve import hangs, ok, redirect, says, serve


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_an_answer_is_read_whole(runner: Runner) -> None:
    head = "X-A: 1\r\nX-a: 2\r\nContent-Type: text/html; charset=latin-1\r\n"
    response = fetch(says(ok("grün".encode("latin-1"), head)), runner=runner)
    assert (response.status, response.text, response.truncated, response.redirects) == (200, "grün", False, 0)
    assert (response.fields["x-a"], response.headers["x-a"]) == (["1", "2"], "1, 2")
    assert response.peer.startswith("127.0.0.1:")
    took = response.timings
    assert 0 < took.connect < took.total
    assert took.first_byte > 0
    assert took.tls == 0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    writer.write(ok(head + await reader.readexactly(size)))
    await writer.drain()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("body", [b"", b"a\r\n\0b" * 300_000], ids=["empty", "big"])
def test_every_method_is_sent_as_said(method: str, body: bytes) -> None:
    response = fetch(echo, method=method, body=body, headers={"X-Key": "1", "X-Empty": ""}, max_bytes=9_000_000)
    head, _, sent = response.body.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"{method} / HTTP/1.1"
    assert {"X-Key: 1", "X-Empty:", "User-Agent: Tocsin/1"} <= set(lines)
    assert not any(line.startswith(("Expect", "Content-Type")) for line in lines)
    assert sent == body


def test_head_waits_for_no_body() -> None:
    assert fetch(says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), method="HEAD").status == 200


def test_the_password_is_sent_and_shown_nowhere() -> None:
    response = fetch(echo, username="ada", password="s3cret")
    assert b"Authorization: Basic YWRhOnMzY3JldA==" in response.body
    assert "s3cret" not in repr(response)
    assert "s3cret" not in repr(Request("http://h/", password="s3cret"))


@pytest.mark.parametrize(
    "asked",
    [
        {"headers": {"A": "b\r\nC: d"}},
        {"headers": {"A\r\nB": "c"}},
        {"headers": {"A:": "c"}},
        {"headers": {"A": "\0"}},
        {"headers": {"": "x"}},
        {"headers": {"Content-Length": "5"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"A": "☃"}},
        {"method": "GET /x HTTP/1.1\r\nA:"},
        {"path": "/\r\nA: b"},
        {"path": " /"},
        {"scheme": "ftp"},
        {"scheme": "file"},
    ],
)
def test_a_request_that_could_smuggle_is_refused(asked: dict[str, Any]) -> None:
    assert failure(echo, **asked) is Kind.BLOCKED


def test_the_environments_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert fetch(says(ok())).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "gopher://127.0.0.1:1/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
    ],
)
def test_a_redirect_to_a_forbidden_place_is_not_followed(target: str) -> None:
    assert failure(says(redirect(target)), follow_redirects=3) is Kind.BLOCKED


def test_a_name_that_answers_a_metadata_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(Failed, match=r"rebound.example: .* is a cloud metadata address") as failed:
        asyncio.run(once("http://rebound.example/"))
    assert failed.value.kind is Kind.BLOCKED


@pytest.mark.parametrize("url", ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/"])
def test_the_operators_policy_holds_for_names_and_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    (tmp_path / "network-policy.yaml").write_text('deny: [127.0.0.0/8, "::1/128"]')
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path))
    settings.cache_clear()
    try:
        with pytest.raises(Failed, match="denied by the network policy") as failed:
            asyncio.run(once(url))
        assert failed.value.kind is Kind.BLOCKED
    finally:
        settings.cache_clear()


def test_a_channel_goes_by_what_a_name_meant_last_when_the_name_service_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def away(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def story() -> None:
        async with serve(says(ok())) as port:
            url = f"http://localhost:{port}/"
            await http.fetch(Request(url))
            monkeypatch.setattr(socket, "getaddrinfo", away)
            assert (await http.fetch(Request(url))).status == 200
            with pytest.raises(Failed, match="name resolution"):
                await http.fetch(Request(url, fresh=True))
            monkeypatch.setattr(socket, "getaddrinfo", real)
            await http.close()

    asyncio.run(story())


def test_redirects_are_followed_only_so_far_and_only_when_asked() -> None:
    loop = says(redirect("/again"))
    assert fetch(loop).status == 302
    assert failure(loop, follow_redirects=4) is Kind.TOO_MANY_REDIRECTS


def test_after_a_redirect_the_last_answer_counts() -> None:
    async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        there = asked.startswith(b"GET /there ")
        writer.write(ok(b"there", "X: new\r\n") if there else redirect("/there").replace(b"\r\n\r\n", b"\r\nX: old\r\n\r\n"))
        await writer.drain()

    response = fetch(site, follow_redirects=1, method="POST", body=b"x")
    assert (response.status, response.body, response.redirects, response.headers["x"]) == (200, b"there", 1, "new")
    assert response.url.endswith("/there")


def test_connections_are_reused_unless_fresh() -> None:
    async def story() -> None:
        seen = set()

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                seen.add(writer.get_extra_info("peername"))
                writer.write(ok())

        async with serve(count) as port:
            for fresh, connections in ((True, 3), (False, 4)):
                for _ in range(3):
                    await http.fetch(Request(f"http://127.0.0.1:{port}/", fresh=fresh))
                assert len(seen) == connections
            await http.close()

    asyncio.run(story())


def test_many_atonce_do_not_disturb_each_other() -> None:
    async def story() -> None:
        async with serve(echo) as good, serve(hangs) as silent:
            requests = [
                Request(f"http://127.0.0.1:{silent if n % 4 == 0 else good}/{n}", timeout=0.5 if n % 4 == 0 else 10, fresh=True)
                for n in range(200)
            ]
            answers = await asyncio.gather(*map(http.fetch, requests), return_exceptions=True)
            for n, answer in enumerate(answers):
                if n % 4 == 0:
                    assert isinstance(answer, Failed)
                    assert answer.kind is Kind.TIMEOUT
                else:
                    assert isinstance(answer, Response)
                    assert answer.body.startswith(f"GET /{n} ".encode())
            await http.close()

    asyncio.run(story())


def test_a_cancelled_request_leaves_the_client_usable() -> None:
    async def story() -> None:
        async with serve(hangs) as silent, serve(says(ok())) as good:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await http.fetch(Request(f"http://127.0.0.1:{silent}/"))
            assert (await http.fetch(Request(f"http://127.0.0.1:{good}/"))).status == 200
            pending = asyncio.create_task(http.fetch(Request(f"http://127.0.0.1:{silent}/")))
            await asyncio.sleep(0)
            await http.close()
            with pytest.raises(Failed, match="closed"):
                await pending
            assert (await http.fetch(Request(f"http://127.0.0.1:{good}/"))).status == 200
            await http.close()

    asyncio.run(story())


def test_a_loop_that_ends_without_close_leaves_nothing_behind() -> None:
    async def story() -> None:
        async with serve(says(ok())) as port:
            await http.fetch(Request(f"http://127.0.0.1:{port}/"))

    for _ in range(3):
        asyncio.run(story())
    assert sum(loop.is_closed() for loop in http._drivers) <= 1
    asyncio.run(_closed())


async def _closed() -> None:
    async with serve(says(ok())) as port:
        await http.fetch(Request(f"http://127.0.0.1:{port}/"))
        await http.close()
