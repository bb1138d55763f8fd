"""What is called secret is secret to everybody who shows something: logs, settings, forms, the programs we print for."""

import re
import subprocess
import sys

import pytest
from pydantic import BaseModel

from app import logfmt, redact, variables
from app.secret import STARS, has_login, hide, is_secret_key, is_secret_name, starred_url, without_login, without_urls
from app.supervisor.translate import Translator

SECRET = (
    "secret", "client_secret", "secretKey", "token", "apiToken", "bot_token", "password", "db-password", "passwd", "passphrase",
    "passcode", "pwd", "credential", "aws_credentials", "authorization", "Proxy-Authorization", "cookie", "Set-Cookie",
    "api_key", "api-key", "apikey", "X-API-Key", "private_key", "routing_key",
)  # fmt: skip
OPEN = ("user", "dedup_key", "name", "author", "key", "keyboard", "passed", "session", "signature", "status", "monkey", "path")
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
canary = "hush-canary"

every_secret = pytest.mark.parametrize("name", SECRET)


def shown_by(name: str) -> dict[str, str]:
    """The canary under this name, as each of those who show it does."""

    class Typed(BaseModel):
        __annotations__ = {re.sub(r"\W", "_", name): str}

    typed = {re.sub(r"\W", "_", name): canary}
    (line,) = Translator("web").lines(f"it failed with {name}={canary} at 7")
    (quoted,) = Translator("web").lines(f"it failed with {name} = '{canary}' at 7")
    (ours,) = Translator("web").lines(f'ts=1 level=info event=x error="no, {name}={canary}"')
    return {
        "a log's keyword": logfmt.line({name: canary}),
        "a log's text": logfmt.line({"error": f"refused: {name}={canary}"}),
        "what a process prints": line,
        "what it prints in quotes": quoted,
        "our own line, passed on": ours,
        "a setting of a known type": str(redact.shown(typed, (), Typed)),
        "a setting of no known type": str(redact.shown({name: canary})),
        "a field of a form": str(redact.is_secret([name]) or canary),
        "a variable": variables.shown(name, canary),
        "a parameter of a URL": str(redact.shown(f"https://h/x?{name}={canary}&b=1")),
        "the same in a log": hide(f"GET https://h/x?{name}={canary}&b=1"),
    }


@every_secret
def test_nobody_shows_what_is_secret_by_its_name(name: str) -> None:
    assert [who for who, said in shown_by(name).items() if canary in said] == []


@pytest.mark.parametrize("name", OPEN)
def test_what_only_sounds_alike_is_shown_where_a_name_is_ours(name: str) -> None:
    assert not is_secret_name(name)
    assert logfmt.line({name: canary}).endswith(canary)
    assert hide(f"{name}={canary}").endswith(canary)


@every_secret
def test_whoever_chooses_their_own_keys_is_at_least_as_safe(name: str) -> None:
    assert is_secret_key(name)


@pytest.mark.parametrize(
    "text, hidden",
    [
        ("https://ada:hush@h/x failed", f"https://ada:{STARS}@h/x failed"),
        ("https://hush@h/x", f"https://{STARS}@h/x"),
        ("postgresql://u:hu/s@h@db/x", f"postgresql://u:{STARS}@db/x"),
        ("https://h/x?sig=hush:hush&y=2", f"https://h/x?sig={STARS}&y=2"),
        ("https://h/x?key=a:hush", f"https://h/x?key={STARS}"),
        ("two: redis://:hush@a redis://:hush@b", f"two: redis://:{STARS}@a redis://:{STARS}@b"),
        ("https://h:8080/x?a=1", "https://h:8080/x?a=1"),
    ],
)
def test_the_secret_parts_of_a_url_are_hidden_and_the_rest_stays(text: str, hidden: str) -> None:
    assert hide(text) == hidden
    assert hide(hidden) == hidden


def test_a_long_line_costs_no_more_than_its_length() -> None:
    line = "x" * 200_000
    assert hide(line) == line
    assert hide(f"{line} token=hush") == f"{line} token={STARS}"


def test_the_supervisor_knows_what_is_secret_without_pydantic() -> None:
    code = "import sys, app.supervisor.translate; sys.exit(bool({'pydantic', 'sqlalchemy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("url", URLS)
def test_a_url_without_its_secrets(url: str) -> None:
    bare, starred = URLS[url]
    assert (without_login(url), starred_url(url)) == (bare, starred)
    assert has_login(url) is (bare != url)
    assert has_login(f"see {url}") is (bare != url)


def test_a_url_that_cannot_be_read_leaves_no_more_than_its_scheme() -> None:
    said = 'invalid port number in "postgresql://u:geh/eim@h:x/db" and "redis://:x@h", tried twice'
    assert without_urls(said) == 'invalid port number in "postgresql://*** and "redis://*** tried twice'
