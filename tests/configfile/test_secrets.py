"""What is declared as secret stands nowhere in the database in clear, is seen to change, and is shown to nobody."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from app import seal
from app.catalog import store as catalog
from app.catalog.model import Declaration
from app.checks.model import Check
from app.configfile import apply as configuration
from app.configfile import store
from app.configfile.export import masked, written
from app.configfile.kinds import channel_kinds, channel_spec
from app.configfile.load import load_texts
from app.configfile.secrets import starred
from app.configfile.start import reseal
from app.people.model import SYSTEM
from app.redact import rewritten, shown
from app.secret import in_text
from app.settings import settings

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
# Each CANARY-n stands in a place that is secret by its field; PLAIN-n beside it is not.
CONFIG = """
# an old password was CANARY-00
users: {ada: {contacts: {hook: PLAIN-1}}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada"}]}}
routes: [{policy: p}]
channels:
  mail: {kind: email, host: PLAIN-2, sender: a@b.example, username: PLAIN-3, password: CANARY-01}
  hook:
    kind: webhook
    url: https://ada:CANARY-02@hook.example/in?token=CANARY-03&page=PLAIN-4
    secret: CANARY-04
    headers: {X-Team: PLAIN-5, X-Api-Key: CANARY-05, Authorization: Bearer CANARY-06}
  chat: {kind: slack, token: CANARY-07, app_token: CANARY-08, signing_secret: CANARY-09}
  text: {kind: telegram, token: CANARY-10}
checks:
  http:
    probe: health.http
    at: eu-west
    with:
      username: PLAIN-6
      password: CANARY-11
      headers: {Cookie: CANARY-12, Accept: PLAIN-7}
      steps: [{url: "https://h.example/?sig=CANARY-13", take: {token: $.token}}, {url: "https://h.example/?t={{ token }}"}]
  token: {probe: health.http, with: {url: "https://CANARY-14@h.example/", token: CANARY-15}}
  plugin: {probe: health.nagios, with: {command: [/bin/true], environment: {PIN: CANARY-16}}}
  mail: {probe: health.smtp, with: {host: h.example, username: PLAIN-8, password: CANARY-17}}
  pg: {probe: health.postgres, with: {url: "postgresql://ada:CANARY-18@h.example/shop?sslmode=require"}}
  redis: {probe: health.redis, with: {url: "redis://:CANARY-19@h.example/0"}}
  sql: {probe: business.sql, with: {url: "mysql://ada:CANARY-20@h.example/shop", query: select 1}}
  rabbit: {probe: health.rabbitmq, with: {url: "http://h.example/", username: PLAIN-9, password: CANARY-21}}
"""
CANARIES = [f"CANARY-{n:02}" for n in range(22)]


def put(db: Connection, config: str = CONFIG, environ: dict[str, str] | None = None) -> configuration.Applied:
    loaded = load_texts({"a.yaml": config}, environ or {})
    assert not loaded.errors, loaded.errors
    return configuration.apply(db, loaded, SYSTEM, NOW)


def dump(db: Connection) -> str:
    """Every row of every table as text."""
    names = db.scalars(text("select table_name from information_schema.tables where table_schema = 'public'")).all()
    return "\n".join(row for name in names for row in db.scalars(text(f'select t::text from "{name}" t')))


def test_no_table_holds_a_declared_secret(db: Connection) -> None:
    put(db)
    put(db, CONFIG.replace("CANARY", "SECOND"))
    everything = dump(db)
    assert [one for one in CANARIES if one in everything or one.replace("CANARY", "SECOND") in everything] == []
    assert [n for n in range(1, 10) if f"PLAIN-{n}" not in everything] == []


def test_what_is_sealed_is_used_in_clear(db: Connection) -> None:
    put(db)
    hook = seal.opened(catalog.channels(db)["hook"].options)
    assert hook["url"] == "https://ada:CANARY-02@hook.example/in?token=CANARY-03&page=PLAIN-4"
    assert (hook["secret"], hook["headers"]["Authorization"]) == ("CANARY-04", "Bearer CANARY-06")
    checks = catalog.declared(db, "check", Check)
    assert seal.opened(checks["plugin"].with_)["environment"] == {"PIN": "CANARY-16"}
    assert seal.opened(checks["pg"].with_)["url"] == "postgresql://ada:CANARY-18@h.example/shop?sslmode=require"


def test_an_unchanged_secret_is_no_change_and_a_changed_one_is_seen_and_not_shown(db: Connection) -> None:
    put(db)
    assert put(db).changes == ()
    changed = put(db, CONFIG.replace("CANARY", "SECOND"))
    said = "\n".join(map(str, changed.changes))
    assert "CANARY" not in said
    assert "SECOND" not in said
    for words in (
        '~ channel "mail": password: changed',
        "headers.X-Api-Key: changed; headers.Authorization: changed",
        '~ check "plugin": with.environment.PIN: changed',
        '~ check "pg": with.url: changed',
        "with.headers.Cookie: changed; with.steps[0].url: changed",
    ):
        assert words in said, words


def test_the_files_come_back_with_their_variables_and_without_what_is_secret(db: Connection) -> None:
    put(
        db,
        'routes: []\nchannels: {c: {kind: webhook, url: "https://a:${PW}@h/", secret: CANARY-1}}  # why\n',
        {"PW": "CANARY-2"},
    )
    assert written(store.files(db))["a.yaml"] == (
        'routes: []\nchannels: {c: {kind: webhook, url: "https://a:${PW}@h/", secret: "***"}}  # why\n'
    )


def test_files_without_their_secrets_still_mean_the_same() -> None:
    shown_, before = written({"a.yaml": CONFIG})["a.yaml"], load_texts({"a.yaml": CONFIG}, {})
    after = load_texts({"a.yaml": shown_}, {})
    assert after.errors == ()
    assert [one for one in CANARIES if one in shown_] == ["CANARY-00"]  # a comment is text that somebody wrote for people
    assert before.config is not None
    for kind, items in before.config.items.items():
        for name, item in items.items():
            old = item.value.model_dump(mode="json", by_alias=True, exclude_unset=True)  # type: ignore[union-attr]
            new = after.config.items[kind][name].value.model_dump(mode="json", by_alias=True, exclude_unset=True)  # type: ignore[union-attr]
            assert starred(kind, old) == starred(kind, new)


YAML = {  # as it is written -> as it is given back
    "secret: abc": 'secret: "***"',
    "secret: 'a''b'  # why": 'secret: "***"  # why',
    'secret: "a\\"b"': 'secret: "***"',
    "secret: ${A}": "secret: ${A}",
    'secret: "${A:-dev}"': 'secret: "${A:-***}"',
    'secret: "x${A}"': 'secret: "***${A}"',
    'secret: "$${A}"': 'secret: "***"',
    "secret: |\n      a\n      b\n    verify_tls: yes": 'secret: "***"\n    verify_tls: yes',
    "secret: &s abc": 'secret: &s "***"',
    "secret: !!str abc": 'secret: !!str "***"',
    'headers: {Authorization: "Bearer ${A}"}': 'headers: {Authorization: "Bearer ${A}"}',
    "headers: {Authorization: Bearer abc}": 'headers: {Authorization: "Bearer ***"}',
    "headers: {Accept: text/plain}": "headers: {Accept: text/plain}",
}


@pytest.mark.parametrize("line", YAML)
def test_a_secret_is_starred_however_it_is_written(line: str) -> None:
    text_ = "channels:\n  c:\n    kind: webhook\n    url: https://h/\n    {}\n"
    assert written({"a.yaml": text_.format(line)}) == {"a.yaml": text_.format(YAML[line])}


@pytest.mark.parametrize("secret", ["${A}", "{{ a }}", "ada:${PW}", "${U}:${P}", "Bearer ${T}"])
def test_what_is_only_a_place_for_a_secret_stays(secret: str) -> None:
    assert masked(secret) == secret


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://u:p@h/", "https://***@h/"),
        ("https://u:p@q@h/x@y", "https://***@h/x@y"),
        ("redis://:p@h", "redis://***@h"),
        ("see https://u:p@h/ and ftp://a@b", "see https://***@h/ and ftp://***@b"),
        ("https://h/?api_key=a&page=2&sig=b#token=c", "https://h/?api_key=***&page=2&sig=***#token=c"),
        ("https://h/?author=a&to%6ben=b", "https://h/?author=a&to%6ben=***"),
        ("https://h/?token={{ token }}", "https://h/?token={{ token }}"),
        ("https://h/a:b@c", "https://h/a:b@c"),
        ("mailto:a@b", "mailto:a@b"),
        ("https://" + "${A}" * 5000, "https://" + "${A}" * 5000),
    ],
)
def test_the_secret_parts_of_a_url(before: str, after: str) -> None:
    assert in_text(before, lambda _: "***") == after


def test_every_secret_field_of_every_kind_of_channel_is_found() -> None:
    for kind in channel_kinds():
        spec = channel_spec(kind)
        named = [name for name, field in spec.model_fields.items() if "SecretStr" in str(field.annotation)]
        found = rewritten(dict.fromkeys(named, "x"), lambda _: "***", spec)
        assert set(found.values()) <= {"***"}, kind


def test_text_that_only_looks_sealed_is_text(db: Connection) -> None:
    forged = seal.marked("stolen")
    put(db, f'routes: []\nchecks: {{a: {{probe: health.tcp, with: {{host: h, port: 1, send: "{forged}"}}}}}}')
    assert seal.opened(catalog.declared(db, "check", Check)["a"].with_)["send"] == forged


def test_what_an_earlier_release_stored_in_clear_is_sealed_at_the_start(db: Connection) -> None:
    put(db)
    stored = {(one.kind, one.name): one.spec for one in store.in_force(db)}
    for (kind, name), spec in stored.items():
        catalog.replace_spec(db, kind, name, spec)
    catalog.replace_files(db, catalog.version(db), {"a.yaml": CONFIG})
    assert "CANARY-05" in dump(db)
    assert reseal(db) > 0
    everything = dump(db)
    assert [one for one in CANARIES if one in everything] == []
    assert {(one.kind, one.name): one.spec for one in store.in_force(db)} == stored
    assert store.files(db) == {"a.yaml": CONFIG}
    assert reseal(db) == 0


@pytest.fixture
def another_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """From here on the secret key is another one."""

    def change() -> None:
        monkeypatch.setenv("TOCSIN_SECRET_KEY", "another key")
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


def test_with_another_key_what_is_secret_says_so_and_an_apply_mends_it(db: Connection, another_key: Callable[[], None]) -> None:
    put(db)
    another_key()
    with pytest.raises(
        seal.Unreadable, match=r"encrypted with a different secret key; restore TOCSIN_SECRET_KEY .* config apply"
    ):
        seal.opened(catalog.channels(db)["hook"].options)
    planned = configuration.plan(db, load_texts({"a.yaml": CONFIG}, {}))
    assert '~ channel "mail": password: changed' in map(str, planned)
    put(db)
    assert seal.opened(catalog.channels(db)["hook"].options)["secret"] == "CANARY-04"


def test_a_check_and_a_page_whose_secret_does_not_open_end_with_that_word(
    db: Connection, another_key: Callable[[], None]
) -> None:
    from app.checks.model import Due
    from app.checks.run import take
    from app.errors import Permanent
    from app.notify.send import _prepared

    put(db)
    checks, hook = catalog.declared(db, "check", Check), catalog.channels(db)["hook"]
    another_key()
    reading = asyncio.run(take(Due("token", checks["token"], NOW, {})))
    assert reading.status == "unknown"
    assert reading.message.startswith("a stored secret is encrypted with a different secret key; restore TOCSIN_SECRET_KEY")
    job: Any = type("Job", (), {"channel": hook, "claim": type("C", (), {"draft": type("D", (), {"channel": "hook"})})})
    with pytest.raises(Permanent, match='channel "hook": a stored secret is encrypted with a different secret key'):
        _prepared(job)


def test_a_location_opens_its_own_secrets_and_no_others(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    put(db)
    checks = catalog.declared(db, "check", Check)
    monkeypatch.setenv("TOCSIN_LOCATION_KEY", f"{'0' * 64}, {seal.location_key('eu-west')}")
    monkeypatch.setenv("TOCSIN_SECRET_KEY", "its own")
    settings.cache_clear()
    try:
        assert seal.opened(checks["http"].with_)["password"] == "CANARY-11"
        for name in ("token", "pg", "plugin"):
            with pytest.raises(seal.Unreadable):
                seal.opened(checks[name].with_)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_secret_of_a_kind_that_is_planned_only_is_starred_and_sealed(db: Connection) -> None:
    spec = {"kind": "opsgenie", "key": "CANARY", "providers": [{"name": "x", "key": "CANARY", "secret": "CANARY"}]}
    assert "CANARY" not in json.dumps(starred("planned", spec))
    catalog.replace_all(db, [Declaration("planned", "channel:og", 0, spec, "")])
    reseal(db)
    assert "CANARY" not in dump(db)


def test_names_that_are_no_secrets_stay_as_they_are() -> None:
    spec = {"probe": "security.http_headers", "with": {"url": "https://h/", "grades": {"cookie_secure": "off"}}}
    assert starred("check", spec) == spec
    assert shown({"headers": {"X-Auth": "a", "Accept": "b"}}) == {"headers": {"X-Auth": "***", "Accept": "b"}}
