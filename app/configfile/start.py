"""What `tocsin up` does with the configuration: put it in force, or keep the last good one and say why."""

from pathlib import Path

from sqlalchemy import Connection

from app import clock, log
from app.catalog import store as catalog
from app.configfile.apply import apply
from app.configfile.diff import Action
from app.configfile.load import load
from app.configfile.secrets import SEALING, sealed, sealed_files
from app.db import transaction
from app.errors import Conflict, Invalid, Unusable
from app.people.model import SYSTEM
from app.settings import environ, settings

NAMED = 5  # things named of those that were removed


def boot() -> list[str]:
    """Apply settings().config; the lines to print in red, none when it is in force.

    Raises Unusable when the folder cannot be read and no earlier version is in force: nothing would be watched.
    """
    folder = settings().config
    with transaction() as db:
        resealed = reseal(db)
    if resealed:
        log.get(__name__).info("secrets_sealed", rows=resealed)
    try:
        loaded = load(folder, environ())
    except Invalid as error:
        if not _version():
            raise Unusable(str(error)) from None
        return [str(error), _kept()]
    if loaded.errors:
        return [f"{folder}/{one}" for one in loaded.errors] + [_kept()]
    try:
        with transaction() as db:
            applied = apply(db, loaded, SYSTEM, clock.now(db))
    except Conflict as error:
        return [str(error), _kept()]
    gone = [change.subject for change in applied.changes if change.action is Action.REMOVED]
    return [_replaced(folder, gone)] if gone else []


def _replaced(folder: Path, gone: list[str]) -> str:
    """What was in force and is not in the files: another folder, or a restored database, looks like that."""
    named = f"{', '.join(gone[:NAMED])}{f' and {len(gone) - NAMED} more' if len(gone) > NAMED else ''}"
    return f"applying {folder} removed {named}; if another folder was meant, start with TOCSIN_CONFIG set to it"


def _version() -> int:
    """The version in force; 0 when there is none."""
    with transaction() as db:
        return catalog.version(db)


def _kept() -> str:
    fix = "fix the files and run `tocsin config apply`"
    if version := _version():
        return f"configuration version {version}, the last good one, stays active; {fix}"
    return f"no active configuration: no checks run and no pages are sent; {fix}"


def reseal(db: Connection) -> int:
    """Seal what an earlier release has stored in clear, or what only this one knows to be secret; how many rows changed."""
    changed = 0
    for kind in SEALING:
        for one in catalog.specs(db, kind):
            closed = sealed(one, stored=True)
            if closed.spec != one.spec:
                catalog.replace_spec(db, kind, one.name, closed.spec)
                changed += 1
    for version, files in catalog.files_in_clear(db):
        catalog.replace_files(db, version, sealed_files(files))
        changed += 1
    return changed
