"""`tocsin locations ...`: what a remote worker needs from this installation (docs/howto/watch-from-elsewhere.md)."""

import re
from typing import Annotated

import typer

from app.cli.terminal import say
from app.errors import Invalid

locations = typer.Typer(help="Remote workers: location key, database role.", no_args_is_help=True)
Location = Annotated[str, typer.Argument(help="The location, as in `at:` of a check.")]


@locations.command()
def key(location: Location) -> None:
    """Print the key of a location, for TOCSIN_LOCATION_KEY of its worker; it decrypts only the secrets of that location."""
    from app.checks.location import NAME
    from app.seal import location_key

    if not re.fullmatch(NAME, location):
        raise Invalid(f'invalid location "{location}"; write it as in the `at` of a check')
    say(location_key(location))


@locations.command()
def sql(location: Location) -> None:
    """Print the SQL that creates the database role of the location's worker, for psql; set its password afterwards."""
    from app.checks.location import sql as statements

    for one in statements(location):
        say(f"{one};")
