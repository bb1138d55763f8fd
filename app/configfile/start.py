"""What `tocsin up` does with the configuration: put it in force, or keep the last good one and say why."""

from app import clock, log
from app.catalog import store as catalog
from app.configfile.apply import apply
from app.configfile.load import load
from app.configfile.reseal import reseal
from app.db import transaction
from app.errors import Conflict, Invalid
from app.people.model import SYSTEM
from app.settings import environ, settings


def boot() -> list[str]:
    """Apply settings().config; the lines to print in red, none when it is in force."""
    folder = settings().config
    with transaction() as db:
        resealed = reseal(db)
    if resealed:
        log.get(__name__).info("secrets_sealed", rows=resealed)
    try:
        loaded = load(folder, environ())
    except Invalid as error:
        return [str(error), _kept()]
    if loaded.mistakes:
        return [f"{folder}/{one}" for one in loaded.mistakes] + [_kept()]
    try:
        with transaction() as db:
            apply(db, loaded, SYSTEM, clock.now(db))
    except Conflict as error:
        return [str(error), _kept()]
    return []


def _kept() -> str:
    with transaction() as db:
        version = catalog.version(db)
    mend = "mend the files and run `tocsin config apply`"
    if version:
        return f"version {version} of the configuration, the last good one, stays in force; {mend}"
    return f"no configuration is in force: nothing is watched and nobody is paged; {mend}"
