"""Whose address and scheme count behind proxies: those that a declared proxy vouches for, and nobody else's."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.net.proxies import block, seen_through
from app.settings import Settings

TRUSTED = Settings(trusted_proxies="10.0.0.0/8, 2001:db8::/32, 192.0.2.7").proxies


def seen(peer: str, *headers: tuple[str, str], trusted: Any = TRUSTED) -> tuple[str, str, str]:
    raw = [(b"host", b"inside:8080"), *((name.lower().encode(), value.encode()) for name, value in headers)]
    scope = seen_through({"type": "http", "client": (peer, 5), "scheme": "http", "headers": raw}, trusted)
    return scope["client"][0], scope["scheme"], dict(scope["headers"])[b"host"].decode()


FOR = "X-Forwarded-For"
CLIENTS = {
    "the last one who is no proxy": ("10.0.0.1", [(FOR, "203.0.113.5")], "203.0.113.5"),
    "what the client says of itself does not count": ("10.0.0.1", [(FOR, "127.0.0.1, 203.0.113.5")], "203.0.113.5"),
    "through two proxies": ("10.0.0.1", [(FOR, "6.6.6.6, 203.0.113.5, 192.0.2.7")], "203.0.113.5"),
    "several headers are one list": ("10.0.0.1", [(FOR, "6.6.6.6"), (FOR, "203.0.113.5")], "203.0.113.5"),
    "an undeclared proxy is the client": ("203.0.113.9", [(FOR, "203.0.113.5")], "203.0.113.9"),
    "only proxies: the farthest": ("10.0.0.1", [(FOR, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
    "no header": ("10.0.0.1", [], "10.0.0.1"),
    "an empty header": ("10.0.0.1", [(FOR, "")], "10.0.0.1"),
    "nonsense ends the list": ("10.0.0.1", [(FOR, "203.0.113.5, unknown, 10.0.0.2")], "10.0.0.2"),
    "a port": ("10.0.0.1", [(FOR, "203.0.113.5:4711")], "203.0.113.5"),
    "IPv6 with brackets and port": ("10.0.0.1", [(FOR, "[2001:dead::1]:443")], "2001:dead::1"),
    "a proxy over IPv6": ("2001:db8::1", [(FOR, "203.0.113.5")], "203.0.113.5"),
    "a proxy as IPv4 in IPv6": ("::ffff:10.0.0.1", [(FOR, "203.0.113.5")], "203.0.113.5"),
    "a client as IPv4 in IPv6": ("10.0.0.1", [(FOR, "::ffff:203.0.113.5")], "203.0.113.5"),
    "ten thousand hops": ("10.0.0.1", [(FOR, ", ".join(["10.0.0.9"] * 10_000))], "10.0.0.9"),
}


@pytest.mark.parametrize("peer,headers,client", CLIENTS.values(), ids=CLIENTS)
def test_the_client(peer: str, headers: list[tuple[str, str]], client: str) -> None:
    assert seen(peer, *headers)[0] == client


def test_scheme_and_host_are_the_clients() -> None:
    headers = (("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "tocsin.example.org"))
    assert seen("10.0.0.1", *headers)[1:] == ("https", "tocsin.example.org")
    assert seen("203.0.113.9", *headers)[1:] == ("http", "inside:8080")
    assert seen("10.0.0.1", *headers, trusted=())[1:] == ("http", "inside:8080")


@pytest.mark.parametrize("host", ["a b", "a\r\nx: y", "evil.example/", "user@evil.example", "<b>", "", "a:b", "x" * 300])
def test_a_host_that_is_none_changes_nothing(host: str) -> None:
    assert seen("10.0.0.1", ("X-Forwarded-Host", host))[2] == "inside:8080"


@pytest.mark.parametrize("scheme", ["javascript", "HTTPS,", "", "wss"])
def test_a_scheme_that_is_none_changes_nothing(scheme: str) -> None:
    assert seen("10.0.0.1", ("X-Forwarded-Proto", scheme))[1] == "http"


@pytest.mark.parametrize("text", ["localhost", "10.0.0.0/33", "*", "10.0.0.1 10.0.0.2"])
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValidationError, match=r"is not an address or CIDR; write 10.0.0.0/8 or 192.0.2.7"):
        Settings(trusted_proxies=text)


def test_an_ipv6_client_is_its_network() -> None:
    assert block("2001:db8:1:2:3:4:5:6") == block("2001:db8:1:2::9") != block("2001:db8:1:3::9")
    assert block("::ffff:192.0.2.1") == block("192.0.2.1") == "192.0.2.1"
    assert len(block("x" * 1000)) == 64
