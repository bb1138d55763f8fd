"""The scheme of a URL may be written in capitals; whoever reads the settings finds it in small letters."""

import pytest

from app.checks.own import own_broker
from app.net.redis import redis_url
from app.settings import settings
from app.urls import with_lower_scheme
from app.variables import Settings


@pytest.mark.parametrize(
    "written, read",
    [
        ("REDIS://Ada:Pass@Host:6379/0", "redis://Ada:Pass@Host:6379/0"),
        ("rediss://host", "rediss://host"),
        ("HTTPS://Example.org/HTTP://x", "https://Example.org/HTTP://x"),
        ("No Url", "No Url"),
    ],
)
def test_only_the_scheme_is_in_small_letters(written: str, read: str) -> None:
    assert with_lower_scheme(written) == read


def test_settings_are_compared_by_their_schemes() -> None:
    given = Settings.model_validate(
        {
            "database_url": "PostgreSQL://ada:SECRET@db/Tocsin",
            "broker_url": "AMQP://ada:SECRET@one/A;Amqps://two/B",
            "base_url": "HTTPS://Alerts.example.org",
        }
    )
    assert given.database == "postgresql+psycopg://ada:SECRET@db/Tocsin"
    assert given.broker == "amqp://ada:SECRET@one/A;amqps://two/B"
    assert given.base_url == "https://Alerts.example.org"


def test_a_broker_in_capitals_is_a_redis_to_its_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_BROKER_URL", "REDIS://127.0.0.1:6379/0")
    settings.cache_clear()
    try:
        assert own_broker() == redis_url("REDIS://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"
    finally:
        monkeypatch.undo()
        settings.cache_clear()
