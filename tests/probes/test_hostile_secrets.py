"""Servers that repeat what they were told: no message holds a password, token or key of the check's settings."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from app.checks.redactor import redactor
from tests.net.serve import ok
from tests.probes.hostile import against
from tests.probes.run import Options

CANARY = "canary-5eEd/+x"
BASIC = b64encode(f"ada:{CANARY}".encode()).decode()
URL = "http://127.0.0.1:PORT/"
WAYS: dict[str, Options] = {
    "a token": {"url": URL, "token": CANARY},
    "a password": {"url": URL, "username": "ada", "password": CANARY},
    "a header": {"url": URL, "headers": {"X-Api-Key": CANARY}},
    "an Authorization header": {"url": URL, "headers": {"Authorization": f"Bearer {CANARY}"}},
    "a parameter": {"url": f"{URL}?api_key={CANARY}"},
    "a password in the URL": {"url": f"http://ada:{CANARY.replace('/', '%2F')}@127.0.0.1:PORT/"},
}
PROBES: dict[str, Options] = {
    "health.http": {"expect": {"json": {"$.heard": "x"}, "header": {"x-heard": "x"}}},
    "performance.http": {"expect": {"json": {"$.heard": "x"}, "header": {"x-heard": "x"}}},
    "performance.scrape": {"metrics": ["m"]},
    "performance.promql": {"query": "up"},
    "business.promql": {"query": "up"},
    "business.http_json": {"metrics": {"heard": "$.heard"}},
    "health.rabbitmq": {},
    "security.http_headers": {},
}


def told(text: str) -> bool:
    return CANARY in text or CANARY.replace("/", "%2F") in text or BASIC in text


async def repeats(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything it heard, in every place where something can be said."""
    heard = (await reader.readuntil(b"\r\n\r\n")).decode()
    said = " ".join(line for line in heard.split("\r\n") if told(line)).replace("%2F", "/")
    body = {"heard": said, "status": "error", "errorType": "x", "error": said, "reason": said}
    writer.write(ok(json.dumps(body).encode(), f"X-Heard: {said}\r\nServer: {said}/1.2\r\n"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("probe", PROBES)
def test_what_a_server_repeats_is_not_in_the_message(probe: str, way: str) -> None:
    found = against(repeats, probe, **WAYS[way], **PROBES[probe])
    assert found.status != "ok"
    assert not told(found.message), found.message


@pytest.mark.parametrize("answer", [b"535 no: SAID", b"SAID", b"SAID\0\xff", b"535-SAID\r\n535 SAID"], ids=str)
@pytest.mark.parametrize("offers", [b"AUTH PLAIN", b"AUTH LOGIN"], ids=str)
def test_nor_what_a_mail_server_repeats(answer: bytes, offers: bytes) -> None:
    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250-x\r\n250 " + offers + b"\r\n")
        line = await reader.readline()
        for _ in range(2 if b"LOGIN" in offers else 0):
            writer.write(b"334 x\r\n")
            line = await reader.readline()
        writer.write(answer.replace(b"SAID", line.split()[-1] + b" " + CANARY.encode()) + b"\r\n")

    found = against(mail, "health.smtp", host="127.0.0.1", port="PORT", tls="off", username="ada", password=CANARY)
    assert found.status in ("critical", "unknown")
    assert "***" in found.message
    assert CANARY not in found.message
    assert b64encode(CANARY.encode()).decode() not in found.message


def test_nor_what_a_plugin_repeats(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text('#!/bin/sh\necho "CRITICAL: $SECRET is wrong | a=1"; exit 2\n')
    plugin.chmod(0o755)
    found = against(repeats, "health.nagios", command=[str(plugin)], environment={"SECRET": CANARY})
    assert (found.status, found.message) == ("critical", "CRITICAL: *** is wrong")


class Settings(BaseModel):
    url: str = "http://ada:p%2Fw0rd@host/?token=t0ken-1&page=page-1"
    password: SecretStr = SecretStr("pa\"ss'wörd")
    pin: SecretStr = SecretStr("1")
    deep: dict[str, list[SecretStr]] = {"a": [SecretStr("deep-1")]}
    headers: dict[str, str] = {"Accept": "text/plain", "X-Auth": "auth-1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("p/w0rd and p%2Fw0rd", "*** and ***"),
        ("t0ken-1 on page-1", "*** on page-1"),
        ("pa\"ss'wörd", "***"),
        (json.dumps("pa\"ss'wörd", ensure_ascii=False), '"***"'),
        ("1 of 1 is deep-1", "1 of 1 is ***"),
        ("text/plain, auth-1", "text/plain, ***"),
    ],
)
def test_secrets_are_found_wherever_settings_hold_them_and_nothing_else_is(text: str, shown: str) -> None:
    assert redactor(Settings())(text) == shown
