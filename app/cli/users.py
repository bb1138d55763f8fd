"""`tocsin users ...`"""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.terminal import As, Json, actor, say, say_json, say_list
from app.errors import Invalid

users = typer.Typer(help="Users: list, invite, remove, set a password, create a token.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="The user's login.")]


@users.command("list")
def list_(as_json: Json = False) -> None:
    """List active users."""
    from app.catalog import store as catalog
    from app.db import transaction
    from app.people import store

    with transaction() as db:
        people = store.directory(db, catalog.defaults(db).timezone).people
    rows = [
        {
            "login": login,
            "name": one.title,
            "role": one.role.value,
            "timezone": one.zone.key,
            "declared": one.declared,
            "contacts": [contact.name for contact in one.contacts],
        }
        for login, one in sorted(people.items())
    ]
    say_list(rows, ("login", "name", "role", "declared", "contacts"), as_json, "no users; run `tocsin up` once")


@users.command()
def invite(
    login: Login,
    role: Annotated[
        str, typer.Option(help="viewer, responder, editor or admin; a declared user keeps the declared role.")
    ] = "responder",
    name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Print an invitation link to set a password; it is valid for seven days and works once."""
    from app import clock
    from app.db import transaction
    from app.people.model import Role
    from app.people.permission import require
    from app.people.service import invite as make
    from app.settings import settings

    if role not in list(Role):
        raise Invalid(f'unknown role "{role}"; write one of {", ".join(Role)}')
    with transaction() as db:
        who = actor(db, as_)
        require(who, "administer")
        secret = make(db, login, Role(role), name, who, clock.now(db))
    url = f"{settings().url}/invite/{secret}"
    say_json({"login": login, "url": url}) if as_json else say(url)


@users.command()
def remove(login: Login, as_: As = None) -> None:
    """Remove an invited user, with sessions, tokens and invitations. Remove declared users from the configuration."""
    from app import clock
    from app.actions.person import remove as remove_for_good
    from app.db import transaction

    with transaction() as db:
        remove_for_good(db, login, actor(db, as_), clock.now(db))
    say(f"{login}: removed")


@users.command()
def password(login: Login, as_: As = None) -> None:
    """Set a password: prompted for, or the first line of standard input. Logs the user out everywhere."""
    from app import clock
    from app.db import transaction
    from app.people.permission import require
    from app.people.service import set_password

    if sys.stdin.isatty():
        secret: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    else:
        secret = sys.stdin.readline().rstrip("\n")
    with transaction() as db:
        who = actor(db, as_)
        if who.login != login:
            require(who, "administer")
        set_password(db, login, secret, who, clock.now(db))
    say(f"{login}: password set")


@users.command()
def token(
    login: Login,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Expires after so many days; default: never.")] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Create an API token that acts as this user; it is shown only once."""
    from app import clock
    from app.db import transaction
    from app.people.permission import require
    from app.people.service import make_token

    with transaction() as db:
        who = actor(db, as_)
        if who.login != login:
            require(who, "administer")
        secret = make_token(db, login, name, who, clock.now(db), timedelta(days=days) if days else None)
    say_json({"login": login, "token": secret}) if as_json else say(secret)
