"""health.http in several steps: values and cookies go on, each step is judged, timed and named, nothing taken is shown."""

import asyncio
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, Handler, drips, hangs, ok, redirect, serve
from tests.probes.run import Options, measured

TOKEN = "eyJ0b2tlbg+/=="


class Shop:
    """Log in (token in JSON, cookie), look at the account (needs both), find an order, pay it."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.heard: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        self.heard.append(head + (await reader.readexactly(size)).decode())
        path = head.split()[1].partition("?")[0]
        answer = self.answers.get(path.strip("/").partition("/")[0]) or self.answer(path, head)
        if callable(answer):
            await answer(reader, writer)
            return
        writer.write(answer)
        await writer.drain()

    def answer(self, path: str, head: str) -> bytes:
        if path == "/login":
            body = json.dumps({"access_token": TOKEN, "id": 7}).encode()
            return ok(body, "Set-Cookie: session=c00kie; Path=/\r\nX-Next: /go/42;v=1\r\n")
        if path == "/jump":
            return ok(b"", "Location: /account\r\nSet-Cookie: session=c00kie\r\n", "302 Found")
        if path == "/account":
            return ok(b"csrf='a&b/c?'") if "session=c00kie" in head else ok(status="403 No cookie")
        return ok(head.splitlines()[0].encode())


LOGIN = {
    "name": "login",
    "url": "http://127.0.0.1:PORT/login",
    "method": "POST",
    "body": "user=a",
    "take": {"token": "$.access_token", "id": "$.id", "next": {"header": "X-Next", "matches": "/go/([0-9]+)"}},
}
ACCOUNT = {
    "name": "account",
    "url": "http://127.0.0.1:PORT/account",
    "headers": {"X-Auth": "Token {{ token }}"},
    "take": {"csrf": {"matches": "csrf='([^']+)'"}},
}
PAY = {"name": "pay", "url": "http://127.0.0.1:PORT/pay/{{csrf}}?id={{ id }}", "method": "PUT", "body": "n={{ next }}"}


async def walked(shop: Shop, *steps: Options, timeout: float = 5.0, **with_: Any) -> Reading:
    async with serve(shop) as port:
        filled = json.loads(json.dumps(steps).replace("PORT", str(port)))
        return await measured("health.http", timeout, steps=filled, **with_)


def walk(*args: Any, **with_: Any) -> Reading:
    return asyncio.run(walked(*args, **with_))


def test_values_and_cookies_go_from_step_to_step() -> None:
    shop = Shop()
    reading = walk(shop, LOGIN, ACCOUNT, PAY)
    assert reading.status == "ok", reading.message
    assert reading.message.startswith("3 steps in")
    login, account, pay = shop.heard
    assert login.startswith("POST /login ")
    assert login.endswith("user=a")
    assert "cookie" not in login.lower()
    assert f"X-Auth: Token {TOKEN}" in account
    assert pay.startswith("PUT /pay/a%26b%2Fc%3F?id=7 ")
    assert pay.endswith("n=42")
    assert [one.labels for one in reading.series] == [{"step": "login"}, {"step": "account"}, {"step": "pay"}]
    assert {one.metric for one in reading.series} == {"step_seconds"}
    assert reading.metrics["seconds"] == pytest.approx(sum(one.value for one in reading.series))


def test_a_cookie_of_a_redirect_is_sent_to_where_it_leads_and_none_is_kept_for_the_next_run() -> None:
    assert walk(Shop(), {"url": "http://127.0.0.1:PORT/jump"}).status == "ok"

    async def twice() -> Shop:
        shop = Shop()
        async with serve(shop) as port:
            url = f"http://127.0.0.1:{port}/"
            await measured("health.http", steps=[{"url": f"{url}login"}])
            await measured("health.http", url=url)
            await measured("health.http", steps=[{"url": url}])
        return shop

    assert not any("c00kie" in head for head in asyncio.run(twice()).heard)


@pytest.mark.parametrize(
    "shop, told",
    [
        (Shop(login=ok(b"{}")), "step login: no value for token: $.access_token is missing"),
        (Shop(login=ok(b"<html>")), "step login: no value for token: the body is not JSON"),
        (Shop(login=ok(b'{"access_token": {"a": 1}, "id": 1}')), "$.access_token is neither text nor a number"),
        (Shop(login=ok(json.dumps({"access_token": "x" * 20_000, "id": 1}).encode())), "longer than 16384 characters"),
        (Shop(account=ok(b"sorry")), "step account: no value for csrf: no match for"),
        (Shop(account=ok(status="500 Oops")), "step account: status 500, expected 200-399"),
        (Shop(pay=redirect("/pay")), "step pay: "),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_step_that_fails_is_named_and_the_walk_ends_there(shop: Handler, told: str) -> None:
    reading = walk(shop, LOGIN, ACCOUNT, PAY)
    assert (reading.status, told in reading.message) == ("critical", True), reading.message
    assert len(reading.series) < 3 or "pay" in told


@pytest.mark.parametrize("handler", [hangs, drips])
def test_a_step_that_hangs_is_critical_within_the_time_out_of_all(handler: Handler) -> None:
    started = time.monotonic()
    reading = walk(Shop(account=handler), LOGIN, ACCOUNT, PAY, timeout=0.5)
    assert reading.status == "critical"
    assert reading.message.startswith("step account: ")
    assert reading.unreachable
    assert len(reading.series) == 1
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "expect",
    [
        {"json": {"$.access_token": "other"}},
        {"json": {"$.access_token": {"matches": "^x"}}},
        {"json": {"$": {"length": 9}}},
        {"header": {"X-Next": "/stay"}},
    ],
    ids=str,
)
def test_what_was_taken_never_shows_in_a_message(expect: Options) -> None:
    echo = ok(json.dumps({"access_token": "s3cret " * 30, "id": "i'd"}).encode(), "X-Next: /go/1234/now\r\n")
    reading = walk(Shop(login=echo), {**LOGIN, "expect": expect})
    assert reading.status == "critical"
    assert "***" in reading.message
    assert not any(secret in reading.message for secret in ("s3cret", "1234", "i'd"))


def test_a_url_made_of_a_value_is_judged_again() -> None:
    to_metadata = ok(json.dumps({"next": "http://169.254.169.254/latest"}).encode())
    first = {"url": "http://127.0.0.1:PORT/login", "take": {"next": "$.next"}}
    reading = walk(Shop(login=to_metadata), first, {"url": "{{ next }}"})
    assert (reading.status, "metadata" in reading.message) == ("unknown", True)
    assert "step 2" in reading.message
    smuggled = ok(json.dumps({"next": "a\r\nX-Evil: 1"}).encode())
    shop = Shop(login=smuggled)
    assert walk(shop, first, {"url": "http://127.0.0.1:PORT/", "headers": {"X-A": "{{ next }}"}}).status == "unknown"
    assert len(shop.heard) == 1


def test_secrets_go_to_the_first_steps_host_only() -> None:
    async def story() -> tuple[list[str], list[str]]:
        near, far = Shop(), Shop()
        async with serve(near) as here, serve(far) as there:
            steps = [{"url": f"http://127.0.0.1:{port}/"} for port in (here, there, here)]
            await measured("health.http", steps=steps, token="t0ken", headers={"X-Key": "k3y"})
        return near.heard, far.heard

    near, far = asyncio.run(story())
    assert all("Bearer t0ken" in head and "k3y" in head for head in near)
    assert len(near) == 2
    assert not any("t0ken" in head or "k3y" in head for head in far)


STEP = {"url": "http://h/"}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "http://h/", "steps": [STEP]},
        {"steps": []},
        {"steps": [STEP] * 21},
        {"steps": [{"url": "http://h/{{ token }}"}]},
        {"steps": [{**STEP, "take": {"token": "$.a"}, "body": "{{ token }}"}]},
        {"steps": [{**STEP, "name": "a"}, {**STEP, "name": "a"}]},
        {"steps": [{**STEP, "take": {"a b": "$.a"}}]},
        {"steps": [{**STEP, "take": {"a": {"matches": "("}}}]},
        {"steps": [{**STEP, "take": {"a": {"json": "$.a", "header": "b"}}}]},
        {"steps": [{**STEP, "take": {"a": {}}}]},
        {"steps": [{"url": "ftp://h/"}]},
        {"steps": [{"url": "http://169.254.169.254/"}]},
        {"steps": [STEP], "expect": {"status": [200]}},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("health.http").Target.model_validate(wrong)
