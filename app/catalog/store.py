"""Reads and replaces what is declared. A process keeps the parsed form until another version is in force."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, delete, func, insert, select, update

from app.begun import begun
from app.catalog.cache import ByVersion
from app.catalog.model import Channel, Declaration, Defaults, Grouping, Platform, Policy, Route, Service, Version
from app.catalog.table import config_version, declaration
from app.db import know_version

T = TypeVar("T", bound=BaseModel)


_parsed: ByVersion[tuple[str, type[BaseModel]], Mapping[str, Any]] = ByVersion()
_origins: ByVersion[str, Mapping[str, str]] = ByVersion()


def version(db: Connection) -> int:
    """The number of the version in force when this transaction began; 0 before the first."""
    ours = begun(db)
    return ours.version if ours and ours.version is not None else look_anew(db)


def look_anew(db: Connection) -> int:
    """The same, now: another one may have come into force since this transaction began."""
    found: int = db.execute(select(func.coalesce(func.max(config_version.c.id), 0))).scalar_one()
    know_version(db, found)
    return found


def specs(db: Connection, kind: str) -> list[Declaration]:
    """Everything declared of one kind, in declared order, unparsed."""
    rows = db.execute(select(declaration).where(declaration.c.kind == kind).order_by(declaration.c.position))
    return [Declaration(*row) for row in rows]


def declared(db: Connection, kind: str, type_: type[T]) -> Mapping[str, T]:
    """Everything declared of one kind by name, in declared order, parsed; cached by version."""

    def parse() -> Mapping[str, T]:
        return {row.name: type_.model_validate(row.spec) for row in specs(db, kind)}

    return _parsed.get((kind, type_), version(db), parse)


def origins(db: Connection, kind: str) -> Mapping[str, str]:
    """Where each thing of one kind is declared, FILE:LINE by name, in declared order; cached by version."""

    def read() -> Mapping[str, str]:
        rows = db.execute(
            select(declaration.c.name, declaration.c.origin).where(declaration.c.kind == kind).order_by("position")
        )
        return {row.name: row.origin for row in rows}

    return _origins.get(kind, version(db), read)


def counts(db: Connection) -> dict[str, int]:
    """How many things of each kind are declared."""
    rows = db.execute(select(declaration.c.kind, func.count().label("number")).group_by(declaration.c.kind))
    return {row.kind: row.number for row in rows}


def defaults(db: Connection) -> Defaults:
    """What holds where nothing else is said."""
    return declared(db, "defaults", Defaults).get("defaults", Defaults())


def platform(db: Connection) -> Platform:
    """The people who run Tocsin itself."""
    return declared(db, "platform", Platform).get("platform", Platform())


def services(db: Connection) -> Mapping[str, Service]:
    """Services by name."""
    return declared(db, "service", Service)


def channels(db: Connection) -> Mapping[str, Channel]:
    """Declared channels by name; the inbox is built in and not among them."""
    return declared(db, "channel", Channel)


def policies(db: Connection) -> Mapping[str, Policy]:
    """Escalation policies by name."""
    return declared(db, "policy", Policy)


def routes(db: Connection) -> Sequence[Route]:
    """Routes, first match wins."""
    return tuple(declared(db, "route", Route).values())


def groupings(db: Connection) -> Sequence[Grouping]:
    """Groupings, first match wins."""
    return tuple(declared(db, "grouping", Grouping).values())


def replace_all(db: Connection, declarations: Sequence[Declaration]) -> None:
    """Put exactly these declarations in force."""
    db.execute(delete(declaration))
    if declarations:
        db.execute(insert(declaration), [one._asdict() for one in declarations])


def replace_spec(db: Connection, kind: str, name: str, spec: Mapping[str, Any]) -> None:
    """The same thing, stored otherwise."""
    db.execute(update(declaration).where(declaration.c.kind == kind, declaration.c.name == name).values(spec=dict(spec)))


def files_in_clear(db: Connection) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The versions whose files are not sealed, one at a time."""
    query = select(config_version.c.id).where(config_version.c.files["sealed"].as_string().is_(None)).order_by("id")
    for id_ in db.scalars(query).all():
        yield id_, db.execute(select(config_version.c.files).where(config_version.c.id == id_)).scalar_one()


def replace_files(db: Connection, id_: int, files: Mapping[str, str]) -> None:
    """The files of a version, stored otherwise."""
    db.execute(update(config_version).where(config_version.c.id == id_).values(files=dict(files)))


def record_version(
    db: Connection, *, now: datetime, actor: str, digest: str, files: Mapping[str, str], changes: Sequence[Mapping[str, str]]
) -> int:
    """Remember a version as in force; its number."""
    values = {"applied_at": now, "applied_by": actor, "digest": digest, "files": dict(files), "changes": list(changes)}
    number: int = db.execute(insert(config_version).values(values).returning(config_version.c.id)).scalar_one()
    know_version(db, number)
    return number


def versions(db: Connection, limit: int = 50) -> list[Version]:
    """The newest versions, newest first, without their files."""
    columns = [config_version.c[one.name] for one in fields(Version)]
    rows = db.execute(select(*columns).order_by(config_version.c.id.desc()).limit(limit))
    return [Version(**row) for row in rows.mappings()]


def versions_between(db: Connection, since: datetime, until: datetime, limit: int = 10) -> list[Version]:
    """Those applied within [since, until], newest first, without their files; the first of all changed nothing."""
    columns = [config_version.c[one.name] for one in fields(Version)]
    first = select(func.min(config_version.c.id)).scalar_subquery()
    query = select(*columns).where(config_version.c.applied_at.between(since, until), config_version.c.id > first)
    rows = db.execute(query.order_by(config_version.c.id.desc()).limit(limit))
    return [Version(**row) for row in rows.mappings()]


def digest_in_force(db: Connection) -> str | None:
    """The digest of the version in force; None before the first."""
    return db.execute(select(config_version.c.digest).order_by(config_version.c.id.desc()).limit(1)).scalar_one_or_none()
