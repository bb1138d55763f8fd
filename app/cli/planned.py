"""Planned commands: they say that they are not active yet, and exit 2."""

from collections.abc import Callable

import typer

from app.errors import NotActive

FREE = {"ignore_unknown_options": True, "allow_extra_args": True}
ADVICE = {
    "change": "",
    "explain": "see the timeline in `tocsin incidents show`",
    "why-not": "`tocsin preview` shows whom an alert would page",
    "mcp": "use the REST API, see /api/docs",
    "drill": "*Test my pager* in the console sends to all your contacts",
    "backup": "use pg_dump, see *Backup* in docs/operations.md",
    "restore": "use pg_restore, see *Backup* in docs/operations.md",
    "import": "write the configuration by hand; `tocsin config schema` prints a JSON Schema for editors",
    "export": "`tocsin config export` exports the active configuration",
}


def _not_active(command: str, advice: str | None = None) -> Callable[[], None]:
    def run() -> None:
        raise NotActive(f"`{command}` is not active yet{f'; {advice}' if advice else ''}")

    return run


def _group(name: str, help_: str, words: tuple[str, ...]) -> typer.Typer:
    """A group of which only the names are there."""
    group = typer.Typer(help=help_, no_args_is_help=True)
    for word in words:
        command = group.command(word, help=f"{word.capitalize()} (not active yet).", context_settings=FREE)
        command(_not_active(f"{name} {word}"))
    return group


commands = typer.Typer()
for _name, _advice in ADVICE.items():
    commands.command(_name, help="Not active yet.", context_settings=FREE)(_not_active(_name, _advice))

silences = _group("silences", "Silences (not active yet).", ("list", "add", "expire"))
ledger = _group("ledger", "The ledger (not active yet).", ("verify",))
