"""Alembic's entry: runs on the connection that `upgrade` holds, and logs each migration that has run."""

from typing import Any

from alembic import context

from app import log


def _ran(*, step: Any, **_: Any) -> None:
    title = (step.up_revision.doc or "").partition("\n")[0].rstrip(".,") if step.up_revision else ""
    log.get("migrations").info("migrated", revision=step.up_revision_id, title=title)


context.configure(connection=context.config.attributes["connection"], on_version_apply=_ran)  # type: ignore[arg-type]
with context.begin_transaction():
    context.run_migrations()
