"""The `tocsin` command. Only the command that is called is imported: `--help` costs no database driver and no web server."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer

from app.cli.failure import told


@dataclass(frozen=True, slots=True)
class Entry:
    """One word after `tocsin`: a command of a Typer app, or with `group` the whole app."""

    help: str
    module: str
    attribute: str
    group: bool = False
    hidden: bool = False
    starts: bool = False  # runs until it is stopped


COMMANDS = {
    "up": Entry("Start everything; Ctrl-C ends everything.", "stack", "commands", starts=True),
    "down": Entry("End everything.", "stack", "commands"),
    "status": Entry("Say what runs; exit 1 when the stack is down or not ready.", "stack", "commands"),
    "web": Entry("Serve the console, the REST API and the intake.", "process", "processes", starts=True),
    "worker": Entry("Run a Celery worker.", "process", "processes", starts=True),
    "beat": Entry("Run the clock.", "process", "processes", starts=True),
    "pager": Entry("Run the pager, which needs no Celery.", "process", "processes", starts=True),
    "flower": Entry("Run Flower, the view of Celery.", "stack", "commands", starts=True),
    "prepare": Entry("Migrate, make the first admin, apply the files.", "prepare", "commands", hidden=True, starts=True),
    "config": Entry("Alerting as code: check, plan, apply, export, schema, routes test.", "config", "config", group=True),
    "users": Entry("People: list, invite, remove, password, token.", "users", "users", group=True),
    "checks": Entry("Checks: list, show, run, pause, resume.", "checks", "checks", group=True),
    "heartbeats": Entry("Heartbeats: list, show, pings, pause, resume, remove.", "heartbeats", "heartbeats", group=True),
    "incidents": Entry("Incidents: list, show, ack, resolve, snooze, merge, note ...", "incidents", "incidents", group=True),
    "oncall": Entry("Who holds the pager: now, shifts, coverage, override.", "oncall", "oncall", group=True),
    "preview": Entry("Who would be paged, when, over what, and why; nothing is sent.", "preview", "commands"),
    "explain": Entry("The decision trail of an incident or page.", "planned", "commands"),
    "why-not": Entry("The stage that stopped a page.", "planned", "commands"),
    "rules": Entry("Rules: list, test, backtest, review.", "rules", "rules", group=True),
    "silences": Entry("Silences: list, add, expire.", "planned", "silences", group=True),
    "runbooks": Entry("Runbooks: list, show.", "runbooks", "runbooks", group=True),
    "audit": Entry("Who changed what.", "audit", "commands"),
    "send": Entry("Raise or resolve an alert from a shell.", "send", "commands"),
    "integrations": Entry("Ways in: list, add, rotate.", "integrations", "integrations", group=True),
    "locations": Entry("Workers elsewhere: their key, their database role.", "locations", "locations", group=True),
    "ledger": Entry("Verify the ledger.", "planned", "ledger", group=True),
    "doctor": Entry("Say what is wrong with this installation, and the fix.", "doctor", "commands"),
    "drill": Entry("Prove the way of a page from end to end.", "planned", "commands"),
    "backup": Entry("Write a backup.", "planned", "commands"),
    "restore": Entry("Read a backup.", "planned", "commands"),
    "reference": Entry("Print docs/reference.md.", "reference", "commands", hidden=True),
    "import": Entry("Take over another tool's configuration.", "planned", "commands"),
}


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    words = sys.argv[1:] if words is None else list(words)
    entry = COMMANDS.get(words[0]) if words else None
    run = lambda: build(words[0] if words else None)(list(words), prog_name="tocsin", standalone_mode=False)  # noqa: E731
    sys.exit(told(run, starts=entry is not None and entry.starts))


def build(wanted: str | None) -> typer.Typer:
    """The command line; only the command `wanted` is there for real, the others by their name and one line."""
    root = typer.Typer(
        help="Alerting and on-call: checks, incidents, escalation, pages.", no_args_is_help=True, add_completion=False,
        pretty_exceptions_enable=False,
    )  # fmt: skip

    @root.callback()
    def _group() -> None:
        """Alerting and on-call: checks, incidents, escalation, pages."""

    for name, entry in COMMANDS.items():
        if name == wanted:
            _add(root, name, entry)
        else:
            root.command(name, help=entry.help, hidden=entry.hidden)(_placeholder)
    return root


def _add(root: typer.Typer, name: str, entry: Entry) -> None:
    found: typer.Typer = getattr(importlib.import_module(f"app.cli.{entry.module}"), entry.attribute)
    if entry.group:
        root.add_typer(found, name=name)
        return
    command: Any = next(one for one in found.registered_commands if _name(one) == name)
    root.registered_commands.append(command)


def _name(command: Any) -> str:
    return str(command.name or command.callback.__name__.replace("_", "-"))


def _placeholder() -> None:
    """Stands for a command that is not the one called."""
