"""The configuration in force: its stored form, its files, and the lock that lets one applier in."""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from app.catalog import store as catalog
from app.catalog.model import Declaration
from app.catalog.table import config_version
from app.configfile.secrets import in_clear, opened_files
from app.configfile.sections import KINDS
from app.errors import Conflict

_APPLIER = 0x746F_6373_6366_6701  # any number nobody else locks: "tocscfg", 1


def lock(db: Connection) -> None:
    """Be the only applier until this transaction ends. Raises Conflict when another takes too long (lock_timeout)."""
    try:
        db.execute(select(func.pg_advisory_xact_lock(_APPLIER)))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":
            raise Conflict("conflict: another apply is running; try again in a moment") from error
        raise
    catalog.look_anew(db)


def in_force(db: Connection) -> list[Declaration]:
    """Everything that is declared now, secrets in clear; what another secret key has sealed stays sealed."""
    return in_clear([one for kind in KINDS for one in catalog.specs(db, kind)])


def files(db: Connection) -> Mapping[str, str]:
    """The files of the version in force as they were written; none before the first. Raises Invalid without their key."""
    newest = select(config_version.c.files).order_by(config_version.c.id.desc()).limit(1)
    found: Mapping[str, str] | None = db.execute(newest).scalar_one_or_none()
    return opened_files(found or {})
