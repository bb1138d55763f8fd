"""What is secret in a name, a URL and a text, and that logs and settings mean the same by it."""

import pytest

from app.logfmt import line
from app.redact import is_secret
from app.secret import has_login, starred_url, without_login, without_urls

NAMES = {
    "password": True,
    "db_passwd": True,
    "passphrase": True,
    "api_key": True,
    "apikey": True,
    "routing_key": True,
    "private_key": True,
    "credentials": True,
    "Cookie": True,
    "dedup_key": False,
    "user": False,
    "passed": False,
}
URLS = {  # URL -> without its login, starred
    "https://u:p@h/a@b": ("https://h/a@b", "https://***"),
    "https://u:p@h/a": ("https://h/a", "https://***@h/a"),
    "redis://:p@h/0": ("redis://h/0", "redis://***@h/0"),
    "https://u:p@q@h/": ("https://h/", "https://***@h/"),
    "postgresql://u:p/w@h/x": ("postgresql://u:p/w@h/x", "postgresql://***"),
    "postgresql://u:p#w@h/x": ("postgresql://u:p#w@h/x", "postgresql://***"),
    "postgresql://u:p@[::1/x": ("postgresql://[::1/x", "postgresql://***"),
    "https://h/?token=a": ("https://h/?token=a", "https://h/?token=***"),
    "https://h/": ("https://h/", "https://h/"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_secret_in_logs_and_in_settings_alike(name: str) -> None:
    assert is_secret((name,)) is NAMES[name]
    assert line({name: "hunter2"}) == f"{name}={'***' if NAMES[name] else 'hunter2'}"


@pytest.mark.parametrize("url", URLS)
def test_a_url_without_its_secrets(url: str) -> None:
    bare, starred = URLS[url]
    assert (without_login(url), starred_url(url)) == (bare, starred)
    assert has_login(url) is (bare != url)
    assert has_login(f"see {url}") is (bare != url)


def test_a_url_that_cannot_be_read_leaves_no_more_than_its_scheme() -> None:
    said = 'invalid port number in "postgresql://u:geh/eim@h:x/db" and "redis://:x@h", tried twice'
    assert without_urls(said) == 'invalid port number in "postgresql://*** and "redis://*** tried twice'
