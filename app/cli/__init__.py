"""The `tocsin` command. Only the command that is called is imported: `--help` costs no database driver and no web server."""

import gc
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from app.cli.failure import exit_status


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
    "up": Entry("Start the stack; Ctrl-C stops it.", "stack", "commands", starts=True),
    "down": Entry("Stop the stack.", "stack", "commands"),
    "status": Entry("Show processes, queues and readiness; exit 1 when down or not ready.", "stack", "commands"),
    "web": Entry("Serve the console, the REST API and the intake.", "process", "processes", starts=True),
    "worker": Entry("Run a Celery worker.", "process", "processes", starts=True),
    "beat": Entry("Run the scheduler (Celery beat).", "process", "processes", starts=True),
    "pager": Entry("Run the pager, which sends pages without Celery.", "process", "processes", starts=True),
    "flower": Entry("Run Flower, the Celery monitor.", "stack", "commands", starts=True),
    "prepare": Entry(
        "Migrate the database, create the first admin, apply the configuration.",
        "prepare",
        "commands",
        hidden=True,
        starts=True,
    ),
    "config": Entry("Alerting as code: check, plan, apply, export, schema, routes test.", "config", "config", group=True),
    "users": Entry("Users: list, invite, remove, password, token.", "users", "users", group=True),
    "checks": Entry("Checks: list, show, run, pause, resume.", "checks", "checks", group=True),
    "heartbeats": Entry("Heartbeats: list, show, pings, pause, resume, remove.", "heartbeats", "heartbeats", group=True),
    "incidents": Entry(
        "Incidents: list, show, ack, resolve, snooze, merge, assign, note ...", "incidents", "incidents", group=True
    ),
    "page": Entry("Open an incident: page a person, team or schedule now.", "page", "commands"),
    "oncall": Entry("On call: now, shifts, coverage, override.", "oncall", "oncall", group=True),
    "preview": Entry("Show who would be paged, when, how and why; nothing is sent.", "preview", "commands"),
    "analytics": Entry("Analytics: pages by alert and person, at night; MTTA, MTTR.", "analytics", "commands"),
    "rules": Entry("Rules: list, test.", "rules", "rules", group=True),
    "runbooks": Entry("Runbooks: list, show.", "runbooks", "runbooks", group=True),
    "audit": Entry("Audit log: who changed what.", "audit", "commands"),
    "send": Entry("Trigger or resolve an alert from a shell.", "send", "commands"),
    "integrations": Entry("Integrations: list, add, rotate.", "integrations", "integrations", group=True),
    "locations": Entry("Remote workers: location key, database role.", "locations", "locations", group=True),
    "doctor": Entry("Report problems with this installation and how to fix them.", "doctor", "commands"),
    "reference": Entry("Print docs/reference.md.", "reference", "commands", hidden=True),
    # Not active yet: known by name, so that calling one says so; `--help` lists only what works.
    "change": Entry("Record a change event.", "planned", "commands", hidden=True),
    "explain": Entry("Show the decision trail of an incident or page.", "planned", "commands", hidden=True),
    "why-not": Entry("Show which stage stopped a page.", "planned", "commands", hidden=True),
    "silences": Entry("Silences: list, add, expire.", "planned", "silences", group=True, hidden=True),
    "mcp": Entry("Run a Model Context Protocol server.", "planned", "commands", hidden=True),
    "ledger": Entry("Verify the ledger.", "planned", "ledger", group=True, hidden=True),
    "drill": Entry("Test paging end to end.", "planned", "commands", hidden=True),
    "backup": Entry("Write a backup.", "planned", "commands", hidden=True),
    "restore": Entry("Restore a backup.", "planned", "commands", hidden=True),
    "import": Entry("Import another tool's configuration.", "planned", "commands", hidden=True),
    "export": Entry("Export the configuration for another tool.", "planned", "commands", hidden=True),
}


YOUNG = 10_000  # objects made until the collector looks for garbage


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    gc.set_threshold(YOUNG)  # what is imported stays: looking through it again and again is a tenth of each start
    words = sys.argv[1:] if words is None else list(words)
    entry = COMMANDS.get(words[0]) if words else None
    run = lambda: build(words[0] if words else None)(list(words), prog_name="tocsin", standalone_mode=False)  # noqa: E731
    sys.exit(exit_status(run, starts=entry is not None and entry.starts))


def build(wanted: str | None) -> typer.Typer:
    """The command line; only the command `wanted` is loaded, the others have only their name and help line."""
    root = typer.Typer(
        help="Alerting and on-call: checks, incidents, escalation, pages.", no_args_is_help=True, add_completion=False,
        pretty_exceptions_enable=False,
    )  # fmt: skip

    @root.callback()
    def _group(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
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


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


def _placeholder() -> None:
    """Placeholder for a command that was not called."""
