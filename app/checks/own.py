"""Where Tocsin's own database and broker are, for probes that watch the stack itself."""

from app.settings import settings


def own_database() -> str:
    """libpq URL of Tocsin's own database."""
    return settings().libpq


def own_reader() -> str:
    """The same database as the role `tocsin_reader`, which may only read what is no secret."""
    return settings().reader


def own_broker() -> str:
    """Kombu URL of Tocsin's own broker."""
    return settings().broker
