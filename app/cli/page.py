"""`tocsin page`"""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import As, Json, actor, say, say_json
from app.walltime import stamp

if TYPE_CHECKING:
    from app.review.manual import PublicManualPreview

commands = typer.Typer()


@commands.command()
def page(
    target: Annotated[str, typer.Argument(help="user:NAME, team:NAME or schedule:NAME.")],
    summary: Annotated[str, typer.Option(help="What is wrong, in one line; the title of the incident.")],
    severity: Annotated[
        str, typer.Option(help="critical, error, warning or info; critical and error page at high urgency.")
    ] = "critical",
    service: Annotated[str, typer.Option(help="The affected service.")] = "",
    details: Annotated[str, typer.Option(help="Further details, included in each page.")] = "",
    key: Annotated[str, typer.Option(help="The same key opens no second incident while the first is open.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Show who would be paged and when; nothing is sent.")] = False,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Open an incident that pages a person, team or schedule now. Exit 2 when the target reaches no one now."""
    from app import clock
    from app.actions import manual
    from app.alerts.label import severity_of
    from app.db import transaction
    from app.incidents.present import present
    from app.review import manual as review

    asked = manual.ManualPage(
        target=target, summary=summary, severity=severity_of(severity, {}), service=service, details=details, key=key
    )
    if preview:
        with transaction() as db:
            found = review.preview(db, asked, actor(db, as_), clock.now(db))[1]
        say_json(found) if as_json else _say_preview(found)
        return
    with transaction() as db:
        now = clock.now(db)
        opened = manual.page(db, asked, actor(db, as_), now)
    if as_json:
        say_json(present(opened))
    else:
        known = "" if opened.opened_at == now else " is already open"
        say(f"#{opened.number}{known}: {opened.title}")


def _say_preview(found: "PublicManualPreview") -> None:
    say(f"policy: {found['policy']}, {found['urgency']} urgency")
    for note in found["notes"]:
        say(f"  {note}")
    for one in found["steps"]:
        whom = f"{one['user']} via {one['contact']}" if one["user"] else f"channel {one['channel']}"
        step = f"step {one['step']}" if one["step"] else "exhausted"
        say(f"{stamp(one['at'])}  {step:<9}  {whom}: {one['reason']}")
