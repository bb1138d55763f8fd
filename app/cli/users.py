"""`tocsin users ...`"""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.terminal import As, Json, actor, cell, say, say_json, say_list
from app.errors import Invalid

users = typer.Typer(help="Users: list, show, invite, remove; contacts, notification rules, tokens.", no_args_is_help=True)
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
    """Print an invitation link for setting a password; valid for seven days, works once."""
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
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires; default: never.")] = None,
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


@users.command()
def show(login: Login, as_json: Json = False) -> None:
    """Show how a user is notified, and how a page at 03:00 would reach them."""
    from app import clock
    from app.catalog import store as catalog
    from app.db import transaction
    from app.errors import NotFound
    from app.people import own, store
    from app.wording import texts

    with transaction() as db:
        one, now = store.get(db, login, catalog.defaults(db).timezone), clock.now(db)
        origin = catalog.origins(db, "user").get(login)
    if one is None:
        raise NotFound(f'user "{login}" not found')
    night = own.at_night(one, now)
    reach = [
        {"urgency": urgency.value, "at": each.at, "contact": each.contact.name, "reason": texts(each.reasons)}
        for urgency, found in own.reached(one, night).items()
        for each in found
    ]
    known = {"login": login, "role": one.role.value, "origin": origin if one.declared else None, "zone": one.zone.key}
    if as_json:
        settings, names = own.settings(one.user), [each.name for each in one.contacts]
        say_json({**known, "settings": settings, "contacts": names, "reach": reach})
        return
    where = f"declared in {origin}" if one.declared else "invited"
    say(f"{login}: {one.role}, {where}, time zone {one.zone.key}")
    for each in reach:
        say(f"  {each['urgency']} urgency at 03:00: {each['contact']} at {cell(each['at'])} ({each['reason']})")


@users.command()
def contacts(
    login: Login,
    addresses: Annotated[list[str], typer.Argument(metavar="CHANNEL=ADDRESS...", help="All contacts, in order.")],
    as_: As = None,
) -> None:
    """Replace the contacts of an invited user; the inbox is always included."""
    from app import clock
    from app.actions.person import set_contacts
    from app.db import transaction

    pairs = [one.partition("=") for one in addresses]
    if wrong := next((one for one, pair in zip(addresses, pairs, strict=True) if not (pair[0] and pair[2])), None):
        raise Invalid(f'invalid contact "{wrong}"; write CHANNEL=ADDRESS')
    if double := next((pair[0] for n, pair in enumerate(pairs) if pair[0] in [one[0] for one in pairs[:n]]), None):
        raise Invalid(f'duplicate contact "{double}"; each channel takes one address')
    with transaction() as db:
        set_contacts(db, login, {name: to for name, _, to in pairs}, actor(db, as_), clock.now(db))
    say(f"{login}: contacts changed")


@users.command()
def notify(
    login: Login,
    high: Annotated[
        str | None, typer.Option(help="Contacts for high urgency, e.g. push,sms=2m; default: all, at once.")
    ] = None,
    low: Annotated[str | None, typer.Option(help="Contacts for low urgency; default: inbox and the first contact.")] = None,
    quiet: Annotated[str | None, typer.Option("--quiet-hours", help="E.g. 22:00-07:00; default: none.")] = None,
    timezone: Annotated[str | None, typer.Option(help="E.g. Europe/Paris; default: that of the configuration.")] = None,
    as_: As = None,
) -> None:
    """Replace the notification rules, quiet hours and time zone of an invited user; options left out go back to the default."""
    from app import clock
    from app.actions.person import set_settings
    from app.db import transaction

    rules = {"high": high, "low": low}
    written = {
        "timezone": timezone,
        "notify": {urgency: _rules(text) for urgency, text in rules.items() if text is not None} or None,
        "quiet_hours": dict(zip(("from", "to"), quiet.split("-", 1), strict=False)) if quiet else None,
    }
    with transaction() as db:
        set_settings(db, login, written, actor(db, as_), clock.now(db))
    show(login)


def _rules(text: str) -> list[dict[str, str]]:
    """`push,sms=2m` -> the list that a file would write."""
    pairs = [one.strip().partition("=") for one in text.split(",") if one.strip()]
    return [{"contact": name, "after": after or "0s"} for name, _, after in pairs]
