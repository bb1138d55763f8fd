"""`tocsin preview`"""

from typing import Annotated

import typer

from app.cli.terminal import Json, instant, say, say_json
from app.cli.terminal import labels as read_labels
from app.walltime import stamp

commands = typer.Typer()


@commands.command()
def preview(
    labels: Annotated[str, typer.Option(help='The alert\'s labels: a=b,c="d e".')],
    at: Annotated[str | None, typer.Option(help="RFC 3339 with an offset; default: now.")] = None,
    severity: Annotated[str | None, typer.Option(help="Default: the label severity, else error.")] = None,
    as_json: Json = False,
) -> None:
    """Show who would be paged, when, on which contact, and why, if nobody acknowledges. Nothing is sent."""
    from app import clock
    from app.alerts.label import severity_of
    from app.db import transaction
    from app.review.preview import present
    from app.review.preview import preview as ahead

    known, when = read_labels(labels), instant(at)
    with transaction() as db:
        now = clock.now(db)
        made = present(ahead(db, known, severity_of(severity, known), when or now, now))
    if as_json:
        say_json(made)
        return
    say(f"policy: {made['policy'] or 'none'}")
    for note in made["notes"]:
        say(f"  {note}")
    for one in made["steps"]:
        whom = f"{one['user']} via {one['contact']}" if one["user"] else one["channel"]
        step = f"step {one['step']}" if one["step"] else "exhausted"
        say(f"{stamp(one['at'])}  {step:<9}  {whom}: {one['reason']}")
