"""`tocsin integrations ...`"""

from typing import Annotated

import typer

from app.cli.terminal import As, Json, actor, say_json, say_list

integrations = typer.Typer(help="Ways in: integrations and their keys.", no_args_is_help=True)


@integrations.command("list")
def list_(as_json: Json = False) -> None:
    """List integrations with key and URL."""
    from app import clock
    from app.db import transaction
    from app.signals import service

    with transaction() as db:
        rows = service.listed(db, clock.now(db))
    say_list(rows, ("name", "kind", "url"), as_json, "no integration; `tocsin integrations add NAME` makes one")


@integrations.command()
def add(
    name: Annotated[str, typer.Argument(help="What you call it.")],
    kind: Annotated[str, typer.Option(help="What it speaks.")] = "generic",
    service: Annotated[str | None, typer.Option(help="What its alerts are about, unless they say so.")] = None,
    as_json: Json = True,  # noqa: ARG001
    as_: As = None,
) -> None:
    """Make one; prints name, kind, key and URL as JSON."""
    from app import clock
    from app.db import transaction
    from app.signals.service import add as make

    with transaction() as db:
        say_json(make(db, name, kind, service, actor(db, as_), clock.now(db)))


@integrations.command()
def rotate(
    name: Annotated[str, typer.Argument(help="The integration's name.")],
    as_json: Json = True,  # noqa: ARG001
    as_: As = None,
) -> None:
    """Make a new key; the old one works for seven days more. Prints JSON."""
    from app import clock
    from app.db import transaction
    from app.signals.service import rotate as make

    with transaction() as db:
        say_json(make(db, name, actor(db, as_), clock.now(db)))
