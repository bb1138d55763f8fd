"""`tocsin runbooks ...`"""

from difflib import get_close_matches
from typing import Annotated

import typer

from app.cli.terminal import Json, say_json, say_list
from app.errors import NotFound

runbooks = typer.Typer(help="Runbooks: list, show.", no_args_is_help=True)


@runbooks.command("list")
def list_(as_json: Json = False) -> None:
    """List runbooks."""
    rows = [{"name": name, "title": title} for name, (title, _) in _all().items()]
    say_list(rows, ("name", "title"), as_json, "no runbooks; put NAME.md into runbooks/ of the configuration folder")


@runbooks.command()
def show(name: Annotated[str, typer.Argument(help="The runbook's name.")], as_json: Json = False) -> None:
    """Print a runbook as Markdown."""
    known = _all()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise NotFound(
            f'runbook "{name}" not found' + (f' (did you mean "{near[0]}"?)' if near else "; see `tocsin runbooks list`")
        )
    title, markdown = known[name]
    if as_json:
        say_json({"name": name, "title": title, "markdown": markdown})
    else:
        typer.echo("".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in markdown))


def _all() -> dict[str, tuple[str, str]]:
    from app.catalog.store import specs
    from app.db import transaction

    with transaction() as db:
        return {one.name: (str(one.spec["title"]), str(one.spec["markdown"])) for one in specs(db, "runbook")}
