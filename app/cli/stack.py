"""`tocsin up`, `down`, `status`, `flower`: the stack in TOCSIN_HOME. Heavy imports are inside the commands that need them."""

from typing import Annotated

import typer

from app.settings import kept_from_last, of_home, settings, to_start
from app.supervisor import control, state
from app.supervisor import status as stack_status
from app.units import length, measured

commands = typer.Typer(help="The stack in TOCSIN_HOME.")


@commands.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Start in the background; return when the stack is ready.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start with a new database or secret key if the one in TOCSIN_HOME is lost.")
    ] = False,
) -> None:
    """Start the stack: database, broker, console, workers, beat, pager and Flower. Ctrl-C stops it."""
    found = to_start()
    if (taken := kept_from_last(found)) and state.supervisor(found.home) is None:
        _say(f"settings kept from the last start: {', '.join(taken)} (set a variable empty to drop it)", False)
    if not detach:
        control.up(found, say=_say, fresh=fresh)
    if not control.up_detached(found, _say, fresh=fresh):
        raise typer.Exit(1)


@commands.command()
def down() -> None:
    """Stop the stack, including processes left behind by a killed `tocsin up`."""
    typer.echo("stack stopped" if control.down(of_home()) else "the stack is not running")


@commands.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show processes, queues and readiness. Exit 1 when the stack is down or not ready."""
    found = stack_status.look(settings())
    typer.echo(found.as_json() if as_json else _table(found), nl=as_json)
    if not found.processes and not as_json:
        typer.echo(f"the stack in {settings().home} is down; start it with `tocsin up`", err=True)
        if why := state.failed(settings().home):
            typer.secho(f"the last start failed: {why}", fg="red", err=True)
    if not found.ready:
        raise typer.Exit(1)


@commands.command()
def flower() -> None:
    """Run Flower, the Celery monitor, on loopback; user admin, password in TOCSIN_HOME/flower-password."""
    from app.celery import app
    from app.cli.process import ask_servers
    from app.supervisor import preflight
    from app.supervisor.flower import run

    preflight.must_be_free(*preflight.flower_port(settings()))
    ask_servers("flower", database=False)
    run(settings(), app)


def _say(text: str, red: bool) -> None:
    typer.secho(text, fg="red" if red else None, err=red)


def _state(found: stack_status.Status) -> str:
    """In one line: ready, degraded (pages are sent, something else is missing) or not ready."""
    missing = f"missing: {', '.join(found.missing)}; see `tocsin doctor`" if found.missing else ""
    if not found.ready:
        return f"[red]not ready[/]{f' ({missing})' if missing else ''}"
    return f"[yellow]ready, degraded[/] ({missing})" if missing else "[green]ready[/]"


def _table(found: stack_status.Status) -> str:
    """For people: processes, queues, then problems."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("process", "pid", "state", "restarts", box=None)
    for row in found.processes:
        style = "" if row.state in ("running", "waiting") else "red"
        table.add_row(row.name, str(row.pid or "-"), row.state, str(row.restarts), style=style)
    waiting = ", ".join(f"{name} {'?' if depth is None else depth}" for name, depth in found.queues.items())
    seconds = found.oldest_overdue_seconds
    overdue = f"unknown: {found.why_no_overdue}" if seconds is None else measured(seconds)
    with console.capture() as caught:
        console.print(_state(found), highlight=False)
        console.print(table)
        console.print(f"queues: {waiting}", f"oldest overdue job: {overdue}", sep="\n", highlight=False)
        for one in found.elsewhere:
            seen = f"last seen {length(one.age)} ago" if one.alive else f"gone, last seen {length(one.age)} ago"
            text = f"other worker: {one.name}, queues {', '.join(one.queues)}, {seen}"
            console.print(text, style="" if one.alive else "red", markup=False, highlight=False)
        console.print("watcher: [red]UNWATCHED[/]" if found.watcher == "UNWATCHED" else "watcher: ok")
        for text in found.warnings:
            console.print(text, style="red", markup=False, highlight=False)
    return caught.get()
