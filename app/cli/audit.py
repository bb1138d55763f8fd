"""`tocsin audit`"""

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.terminal import Json, say_list

commands = typer.Typer()


@commands.command()
def audit(
    object_: Annotated[str | None, typer.Option("--object", help="Only this object: incident:42, user:ada, config:3.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of entries, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the audit log, newest first."""
    from app.db import transaction
    from app.people.store import audited

    with transaction() as db:
        rows = [asdict(one) for one in audited(db, object_=object_, before=None, limit=limit)]
    say_list(rows, ("at", "actor", "via", "action", "object"), as_json, "no audit log entries")
