"""The rules in force, read once a version of the configuration."""

from collections.abc import Mapping

from sqlalchemy import Connection

from app import plugins
from app.catalog import store as catalog
from app.catalog.cache import ByVersion
from app.checks.service import declared as declared_checks
from app.plugins import RULE_KINDS
from app.rules.active import Active
from app.rules.book import Book, made_of
from app.rules.model import Rule

_books: ByVersion[str, Book] = ByVersion()


def book(db: Connection) -> Book:
    """Every active rule; cached by version."""
    return _books.get("rules", catalog.version(db), lambda: made_of(declared_checks(db), rules(db)))


def by_check(db: Connection) -> Mapping[str, tuple[Active, ...]]:
    """Every rule that reads a check, by the check's name."""
    return book(db).by_check


def rules(db: Connection) -> Mapping[str, Rule]:
    """Declared rules by name, in their kind's own form."""
    return {
        row.name: plugins.module(RULE_KINDS, row.spec["kind"]).Spec.model_validate(row.spec)
        for row in catalog.specs(db, "rule")
    }
