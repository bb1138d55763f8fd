"""`tocsin integrations ...`"""

from typing import Annotated

import typer

from app.cli.terminal import As, Json, actor, say_json, say_list

integrations = typer.Typer(help="Integrations and their keys.", no_args_is_help=True)


@integrations.command("list")
def list_(as_json: Json = False) -> None:
    """List integrations with key and URL."""
    from app import clock
    from app.db import transaction
    from app.signals import service

    with transaction() as db:
        rows = service.listed(db, clock.now(db))
    say_list(rows, ("name", "kind", "url"), as_json, "no integrations; `tocsin integrations add NAME` creates one")


@integrations.command()
def add(
    name: Annotated[str, typer.Argument(help="A name of your choice.")],
    kind: Annotated[str, typer.Option(help="The protocol: generic or healthchecks.")] = "generic",
    service: Annotated[str | None, typer.Option(help="The service of its alerts, unless they name one.")] = None,
    as_json: Json = True,  # noqa: ARG001
    as_: As = None,
) -> None:
    """Create an integration; prints name, kind, key and URL as JSON."""
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
    """Create a new key; the old one stays valid for seven days. Prints JSON."""
    from app import clock
    from app.db import transaction
    from app.signals.service import rotate as make

    with transaction() as db:
        say_json(make(db, name, actor(db, as_), clock.now(db)))
