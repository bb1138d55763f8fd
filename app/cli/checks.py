"""`tocsin checks ...`"""

from typing import Annotated, Any

import typer

from app.cli.desk import As, Json, actor, say, say_json, say_list
from app.errors import NotActive

checks = typer.Typer(help="Checks: what is watched, and how it is.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The check's name.")]


@checks.command("list")
def list_(as_json: Json = False) -> None:
    """List checks with their last result."""
    from app.checks import service, store
    from app.checks.present import present
    from app.db import transaction

    with transaction() as db:
        known = service.declared(db)
        rows = [present(row, known[row["name"]]) for row in store.states(db) if row["name"] in known]
    shown = ("name", "probe", "status", "at", "paused", "message")
    say_list(rows, shown, as_json, "no check is declared; see `tocsin config check`")


@checks.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one check."""
    found = _look(name)
    if as_json:
        say_json(found)
        return
    for key, value in found.items():
        say(f"{key}: {value}")


@checks.command()
def run(name: Name, as_json: Json = False, as_: As = None) -> None:
    """Run it now, through its real queue. Exit 1 unless the result is ok."""
    from app.actions.run import run_now
    from app.db import transaction

    with transaction() as db:
        who = actor(db, as_)
    result = run_now(name, who)
    if as_json:
        say_json(result)
    else:
        say(f"{name}: {result['status']} in {result['seconds']:.3f} s{': ' if result['message'] else ''}{result['message']}")
        for metric, value in result["metrics"].items():
            say(f"  {metric} {value:.6g}")
    raise typer.Exit(0 if result["status"] == "ok" else 1)


@checks.command()
def pause(name: Name, as_: As = None) -> None:
    """Stop running it until it is resumed."""
    _set(name, True, as_)


@checks.command()
def resume(name: Name, as_: As = None) -> None:
    """Run it again, at once and then as declared."""
    _set(name, False, as_)


@checks.command()
def new(name: Annotated[str, typer.Argument(help="FAMILY.NAME")]) -> None:  # noqa: ARG001
    """Scaffold a probe with its test (not active yet)."""
    raise NotActive("`checks new` is not active yet; copy a file of tasks/FAMILY/, it is found by being there")


def _look(name: str) -> dict[str, Any]:
    from app.checks import service, store
    from app.checks.present import present
    from app.db import transaction

    with transaction() as db:
        check = service.check(db, name)
        return present(store.states_of(db, [name])[name], check)


def _set(name: str, paused: bool, as_: str | None) -> None:
    from app import clock
    from app.actions.check import pause
    from app.db import transaction

    with transaction() as db:
        pause(db, name, paused, actor(db, as_), clock.now(db))
    say(f"{name} is {'paused' if paused else 'running again'}")
