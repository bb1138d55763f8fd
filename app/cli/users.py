"""`tocsin users ...`"""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.terminal import As, Json, actor, say, say_json, say_list
from app.errors import Invalid

users = typer.Typer(help="People: who may log in.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="The person's login.")]


@users.command("list")
def list_(as_json: Json = False) -> None:
    """List active people."""
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
    say_list(rows, ("login", "name", "role", "declared", "contacts"), as_json, "nobody; run `tocsin up` once")


@users.command()
def invite(
    login: Login,
    role: Annotated[
        str, typer.Option(help="viewer, responder, editor or admin; a declared person keeps the declared one.")
    ] = "responder",
    name: Annotated[str | None, typer.Option(help="What people call them.")] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Print an invitation link, good for seven days and one first password."""
    from app import clock
    from app.db import transaction
    from app.people.model import Role
    from app.people.permission import require
    from app.people.service import invite as make
    from app.settings import settings

    if role not in list(Role):
        raise Invalid(f'"{role}" is not a role; write one of {", ".join(Role)}')
    with transaction() as db:
        who = actor(db, as_)
        require(who, "administer")
        secret = make(db, login, Role(role), name, who, clock.now(db))
    url = f"{settings().url}/invite/{secret}"
    say_json({"login": login, "url": url}) if as_json else say(url)


@users.command()
def remove(login: Login, as_: As = None) -> None:
    """Remove a person who was invited: sessions, tokens and invitations end for good. Declared people leave by the files."""
    from app import clock
    from app.db import transaction
    from app.people.permission import require
    from app.people.service import remove as remove_for_good

    with transaction() as db:
        who = actor(db, as_)
        require(who, "administer")
        remove_for_good(db, login, who, clock.now(db))
    say(f"{login} is removed")


@users.command()
def password(login: Login, as_: As = None) -> None:
    """Set a password: asked for, or the first line of standard input. Ends the person's sessions."""
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
    say(f"the password of {login} is set")


@users.command()
def token(
    login: Login,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Ends after so many days; default: never.")] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Print a new API token that acts as this person; it is shown once."""
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
