"""`tocsin rules ...`"""

import typer

from app.cli.desk import Json, say_list
from app.errors import NotActive

rules = typer.Typer(help="Rules: what is in force, and where it stands.", no_args_is_help=True)
FREE = {"ignore_unknown_options": True, "allow_extra_args": True}


@rules.command("list")
def list_(as_json: Json = False) -> None:
    """List rules with the state of each series; `check:NAME` is the `alert:` of a check."""
    from app.db import transaction
    from app.review.rulebook import rulebook

    with transaction() as db:
        rows = rulebook(db)
    for row in rows if not as_json else ():
        row["state"] = sorted({one["state"] for one in row["series"]})
    say_list(rows, ("name", "kind", "check", "severity", "mode", "state", "owner"), as_json, "no rule is in force")


@rules.command(context_settings=FREE)
def test() -> None:
    """Run a rule over recorded samples (not active yet)."""
    raise NotActive("`rules test` is not active yet")


@rules.command(context_settings=FREE)
def backtest() -> None:
    """Run a rule over the past (not active yet)."""
    raise NotActive("`rules backtest` is not active yet")


@rules.command(context_settings=FREE)
def review() -> None:
    """Say which rules are worth their pages (not active yet)."""
    raise NotActive("`rules review` is not active yet")
