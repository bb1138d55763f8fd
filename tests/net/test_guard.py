"""Nothing connects to metadata addresses, however they are written, and the operator has the last word on all others."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from app.failure import Failed
from app.net.address import is_metadata, literal, refuse_literal
from app.net.guard import refusal, refuse
from app.net.policy import Policy, PolicyFile, load
from app.net.url import host_name, http_url
from app.secret import without_login

METADATA = [
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "2002:a9fe:a9fe:1::7",
    "::ffff:0:169.254.169.254",
    "fd00:ec2::254",
    "fd00:ec2::254%eth0",
    "fd20:ce::254",
]
OTHERS = [
    "127.0.0.1",
    "::1",
    "::",
    "10.0.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "8.8.8.8",
    "fe80::1",
    "fd00:ec2::253",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", METADATA)
def test_a_metadata_address_is_refused_in_every_form(address: str) -> None:
    assert is_metadata(ip_address(address))
    with pytest.raises(Failed, match="metadata") as failed:
        refuse(address)
    assert failed.value.kind == "blocked"


@pytest.mark.parametrize("address", OTHERS)
def test_loopback_private_and_public_addresses_are_open(address: str) -> None:
    assert not is_metadata(ip_address(address))
    refuse(address)


@pytest.mark.parametrize(
    "host",
    [
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.254.169.254.",
        "169.16689662",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "fd00:ec2::254",
    ],
)
def test_a_literal_metadata_host_is_seen_through_every_notation(host: str) -> None:
    with pytest.raises(ValueError, match="metadata"):
        refuse_literal(host)
    with pytest.raises(ValueError, match="metadata"):
        http_url(f"http://u:p@{f'[{host}]' if ':' in host and host[0] != '[' else host}:80/latest?x")
    with pytest.raises(ValueError, match="metadata"):
        host_name(host)


@pytest.mark.parametrize(
    "host, meant",
    [
        ("127.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("2130706433", "127.0.0.1"),
        ("shop.example", None),
        ("0x7f.1", "127.0.0.1"),
        ("1.2.3.4 x", None),
        ("١٢٧.0.0.1", None),
        ("", None),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_a_literal_means_what_a_resolver_takes_it_for(host: str, meant: str | None) -> None:
    assert literal(host) == (ip_address(meant) if meant else None)


@pytest.mark.parametrize(
    "url",
    [
        "gopher://h/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://a@b@c/",
        "http://h:0/",
        "http://h:99999/",
        "http://h:x/",
        "http://h /",
        "http://h/\r\nX: y",
        "http://h\\@evil/",
        "http://h/ü",
        "http://ü/",
        "//h/",
        "http://[::1/",
        "http://h%2f/",
        "h",
    ],
)
def test_an_odd_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        http_url(url)


@pytest.mark.parametrize(
    "url", ["http://h", "HTTPS://u:p@h.example:8443/a?b=c#d", "http://[::1]:80/", "http://h?q={x}", "http://h/@x"]
)
def test_a_sound_url_is_taken(url: str) -> None:
    assert http_url(url) == url


def test_a_url_is_shown_without_its_password() -> None:
    assert without_login("https://u:p@h/a@b") == "https://h/a@b"


def policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "network-policy.yaml"
    path.write_text(text)
    return load(path)


def why(address: str, rules: Policy) -> str:
    """Why it is refused; empty when it is not."""
    return refusal(address, rules) or ""


def test_the_policy_allows_first_and_then_denies(tmp_path: Path) -> None:
    rules = policy(tmp_path, 'allow: [10.1.0.0/16]\ndeny: [10.0.0.0/8, "::1/128"]')
    assert refusal("10.1.2.3", rules) is None
    assert "10.0.0.0/8" in why("10.2.2.3", rules)
    assert "::1/128" in why("::1", rules)
    assert refusal("127.0.0.1", rules) is None
    assert "10.0.0.0/8" in why("::ffff:10.2.2.3", rules)
    assert "10.0.0.0/8" in why("64:ff9b::a02:203", rules)


def test_no_policy_opens_a_metadata_address(tmp_path: Path) -> None:
    assert "metadata" in why("169.254.169.254", policy(tmp_path, "allow: [0.0.0.0/0]"))


@pytest.mark.parametrize("text", ["deny: [10.0.0.0/33]", "forbid: []", "deny: [", "- x", "deny: [10.0.0.1/8]", "\x00"])
def test_a_broken_policy_closes_everything_and_says_why(tmp_path: Path, text: str) -> None:
    assert "network-policy.yaml" in why("127.0.0.1", policy(tmp_path, text))


def test_an_empty_policy_closes_nothing(tmp_path: Path) -> None:
    assert refusal("127.0.0.1", policy(tmp_path, "")) is None


def test_a_changed_policy_is_in_force_within_a_second(tmp_path: Path) -> None:
    watched = PolicyFile(tmp_path)
    assert refusal("127.0.0.1", watched.current(0.0)) is None
    (tmp_path / "network-policy.yaml").write_text("deny: [127.0.0.0/8]")
    assert refusal("127.0.0.1", watched.current(0.5)) is None
    assert "denied" in why("127.0.0.1", watched.current(1.0))
    (tmp_path / "network-policy.yaml").unlink()
    assert refusal("127.0.0.1", watched.current(2.0)) is None
