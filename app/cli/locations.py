"""`tocsin locations ...`: what a worker elsewhere needs of this installation (docs/howto/watch-from-elsewhere.md)."""

import re
from typing import Annotated

import typer

from app.cli.terminal import say
from app.errors import Invalid

locations = typer.Typer(help="Workers elsewhere: their key, their database role.", no_args_is_help=True)
Location = Annotated[str, typer.Argument(help="The location, as checks name it in `at`.")]


@locations.command()
def key(location: Location) -> None:
    """Print the location's key, for TOCSIN_LOCATION_KEY of its worker: it opens the secrets of that location's checks only."""
    from app.checks.location import NAME
    from app.seal import location_key

    if not re.fullmatch(NAME, location):
        raise Invalid(f'"{location}" is not a location; write it as checks do in `at`')
    say(location_key(location))


@locations.command()
def sql(location: Location) -> None:
    """Print the SQL that makes the database role of the location's worker, for psql; give it a password afterwards."""
    from app.checks.location import sql as statements

    for one in statements(location):
        say(f"{one};")
