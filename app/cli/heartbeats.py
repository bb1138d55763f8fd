"""`tocsin heartbeats ...`"""

from datetime import timedelta
from typing import Annotated, Any

import typer

from app.cli.pausing import Length, Until, Why, end, said
from app.cli.terminal import As, Json, actor, cell, say, say_json, say_list
from app.units import format_duration, measured

LONGEST = 48  # characters of a name in the table

heartbeats = typer.Typer(help="Heartbeats: jobs that must ping on time, and their pings.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The heartbeat's name.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="Maximum number of pings, newest first.")]


@heartbeats.command("list")
def list_(as_json: Json = False) -> None:
    """List heartbeats with their state and ping URL."""
    from app import clock
    from app.checks.heartbeats import store
    from app.checks.heartbeats.present import present
    from app.db import transaction
    from app.settings import settings

    with transaction() as db:
        now = clock.now(db)
        rows = [present(one, now, settings().url) for one in store.listed(db)]
    shown = ("name", "state", "schedule", "last_ping", "due_at", "ping_url")
    if not as_json:
        rows = [{**row, "name": _cut(row["name"])} for row in rows]
    say_list(rows, shown, as_json, "no heartbeats; docs/howto/add-a-heartbeat.md shows how to add one")


@heartbeats.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one heartbeat."""
    from app import clock
    from app.checks.heartbeats import service
    from app.checks.heartbeats.present import present
    from app.db import transaction
    from app.settings import settings

    with transaction() as db:
        found = present(service.get(db, name), clock.now(db), settings().url)
    if as_json:
        say_json(found)
        return
    del found["reasons"]  # `because` says the same in words
    for key, value in found.items():
        say(f"{key}: {_words(key, value)}")


@heartbeats.command()
def pings(name: Name, limit: Limit = 20, as_json: Json = False) -> None:
    """Show the last pings; --json includes their bodies."""
    from app.checks.heartbeats import service, store
    from app.checks.heartbeats.model import BODY
    from app.checks.heartbeats.present import present_ping
    from app.db import transaction

    with transaction() as db:
        found = store.pings(db, service.get(db, name).id, None, limit, BODY)
    rows: list[dict[str, Any]] = [present_ping(one) for one in found]
    shown = ("n", "at", "kind", "exit_status", "seconds", "rid", "remote", "agent")
    say_list(rows, shown, as_json, f"{name}: no pings yet")


@heartbeats.command()
def pause(name: Name, length: Length = None, until: Until = None, reason: Why = "", as_: As = None) -> None:
    """Pause a heartbeat until the given time, or until it is resumed or pinged; its alert is resolved."""
    from app import clock
    from app.actions.heartbeat import pause
    from app.checks.heartbeats import store
    from app.db import transaction

    with transaction() as db:
        now = clock.now(db)
        pause(db, name, actor(db, as_), now, until=end(length, until, now), reason=reason)
        say(said(name, store.pauses(db).get(name), "until resumed or pinged"))


@heartbeats.command()
def resume(name: Name, as_: As = None) -> None:
    """Resume a heartbeat: the wait for the next ping starts now."""
    from app import clock
    from app.actions.heartbeat import resume
    from app.db import transaction

    with transaction() as db:
        resume(db, name, actor(db, as_), clock.now(db))
    say(f"{name}: resumed")


@heartbeats.command()
def remove(name: Name, as_: As = None) -> None:
    """Remove a heartbeat that a ping created; remove a declared one from the configuration."""
    from app import clock
    from app.actions.heartbeat import remove as gone
    from app.db import transaction

    with transaction() as db:
        gone(db, name, actor(db, as_), clock.now(db))
    say(f"{name}: removed")


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _words(key: str, value: Any) -> str:
    """A value of a heartbeat, for people."""
    if key == "grace":
        return format_duration(timedelta(seconds=value))
    if key == "run_seconds" and value is not None:
        return measured(value)
    if key == "running":
        return cell([f"since {cell(run['since'])}" + (f" (run {run['rid']})" if run["rid"] else "") for run in value])
    if isinstance(value, dict):
        return cell([f"{name}={one}" for name, one in value.items()])
    return cell(value) or "-"
