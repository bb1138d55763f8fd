"""What commands share: who acts, how answers are printed, and how numbers, times and labels are read."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.failure import exit_status
from app.errors import Invalid
from app.walltime import parse_instant, stamp

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.people.model import Actor

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
As = Annotated[str | None, typer.Option("--as", metavar="LOGIN", help="Act as this user; default: the first admin.")]
Numbers = Annotated[list[str], typer.Argument(metavar="NUMBER...", help="Incident numbers: 42 or #42.")]
OneNumber = Annotated[str, typer.Argument(metavar="NUMBER", help="An incident number: 42 or #42.")]


def actor(db: "Connection", login: str | None) -> "Actor":
    """The actor: whoever runs this command has the database anyway, so without `login` it is the first admin."""
    from app.people import store
    from app.people.model import FIRST_ADMIN, Actor, Role

    if login is None:
        return Actor(FIRST_ADMIN, Role.ADMIN, "cli")
    person = store.get(db, login)
    if person is None:
        raise Invalid(f'user "{login}" not found; see `tocsin users list`')
    return Actor(login, person.role, "cli")


def say(words: str) -> None:
    """Print a line; further lines are indented, and unprintable characters are replaced."""
    for at, line in enumerate(words.expandtabs(1).splitlines() or [""]):
        typer.echo("    " * bool(at) + "".join(char if char.isprintable() else "\ufffd" for char in line))


def warn_of_broken_probes() -> None:
    """Say on stderr which files in the probes' folders cannot be used, and why."""
    from app.checks import probes

    for why in probes.broken().values():
        typer.secho(f"warning: {why}; skipped", fg="yellow", err=True)


def say_json(value: Any) -> None:
    """Print JSON, instants as RFC 3339; terminal control characters are escaped."""
    import orjson

    from app.visible import plain_json

    sys.stdout.write(plain_json(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()) + "\n")


def say_list(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool, empty: str) -> None:
    """Print rows as a table of these columns, or as `{"items": [...]}`."""
    if as_json:
        say_json({"items": rows, "next": None})
        return
    if not rows:
        say(empty)
        return
    cells = [
        [column.upper() for column in columns],
        *([in_one_line(cell(row.get(column))) for column in columns] for row in rows),
    ]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    for line in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def each(things: Sequence[str], work: Callable[[str], Any]) -> None:
    """Do it for each, even if others fail; exits with the worst status."""
    raise typer.Exit(max(exit_status(lambda thing=thing: work(thing)) for thing in things))  # type: ignore[misc]


def number(text: str) -> int:
    """`#42` or `42` -> 42. Raises Invalid."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 2**63):
        raise Invalid(f'invalid incident number "{text}"; write 42 or #42')
    return int(digits)


def instant(text: str | None) -> datetime | None:
    """RFC 3339 with an offset, as an instant in UTC. Raises Invalid."""
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise Invalid(f'"{text}" {error}') from None


def labels(text: str) -> dict[str, str]:
    """`a=b,c="d e"` -> labels. Raises Invalid."""
    from app.catalog.matcher import parse_labels

    try:
        return parse_labels(text)
    except ValueError as error:
        raise Invalid(str(error)) from None


def cell(value: Any) -> str:
    """A value in a table or a line: None is `-`, an instant is UTC, a boolean is yes or no."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "-"
    return str(value)


def in_one_line(text: str) -> str:
    """The first line, and that there are more."""
    first, *more = text.splitlines() or [""]
    return f"{first} …" if more else first
