"""Seals what an earlier release has stored in clear, or what only this one knows to be secret; at every start."""

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.configfile.secrets import SEALING, sealed, sealed_files


def reseal(db: Connection) -> int:
    """How many rows were changed."""
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
