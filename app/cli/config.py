"""`tocsin config ...`: alerting as code from a shell. `check`, `schema` and `routes test` need no database."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.configfile.codes import Code
from app.configfile.finding import finding, present
from app.errors import Invalid
from app.settings import environ, settings
from app.units import counted
from app.visible import printable

if TYPE_CHECKING:
    from app.configfile.diff import Change
    from app.configfile.model import Loaded

config = typer.Typer(help="Alerting as code: check, plan and apply a folder of configuration files.", no_args_is_help=True)
routes = typer.Typer(help="Test how alerts are routed.", no_args_is_help=True)
config.add_typer(routes, name="routes")

NAMES = {  # of sections whose plural is not made by an s: one, many
    "policies": ("policy", "policies"),
    "grouping": ("grouping rule", "grouping rules"),
    "inhibit": ("inhibit rule", "inhibit rules"),
    "hours": ("set of hours", "sets of hours"),
}
Dir = Annotated[Path | None, typer.Argument(help="The configuration folder; default: TOCSIN_CONFIG.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@config.command()
def check(folder: Dir = None, as_json: Json = False) -> None:
    """Report every error in the files. Exit 1 on errors, 2 when the folder or part of it cannot be read."""
    loaded = _with_never_pinged(_load(folder))
    ok = not loaded.errors
    if as_json:
        _print_json(
            {
                "ok": ok,
                "errors": [present(one) for one in loaded.errors],
                "warnings": [present(one) for one in loaded.warnings],
                "counts": dict(loaded.counts),
            }
        )
    else:
        _tell(loaded)
        if ok:
            warned = f", {counted(len(loaded.warnings), 'warning')}" if loaded.warnings else ""
            typer.echo(f"OK: {_count(loaded)}{warned}")
    raise typer.Exit(0 if ok else 2 if loaded.unreadable else 1)


@config.command()
def plan(folder: Dir = None, as_json: Json = False) -> None:
    """Show what `apply` would change, and its effect on paging. Changes nothing."""
    from app import clock
    from app.configfile import apply as configuration
    from app.db import transaction

    loaded = load_or_exit(folder)
    with transaction() as db:
        changes = configuration.plan(db, loaded)
        words = configuration.paging(db, loaded, changes, clock.now(db))
    if as_json:
        _print_json({"changes": [change.record() for change in changes], "paging": words})
        return
    _print_changes(changes)
    if words:
        typer.echo("\neffect on paging:")
        for sentence in words:
            typer.echo(f"  {printable(sentence)}")


@config.command()
def apply(
    folder: Dir = None,
    as_json: Json = False,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="LOGIN", help="Recorded as who applied it; default: no one, only `cli`.")
    ] = None,
) -> None:
    """Apply the files, all or nothing. They are active when the command returns."""
    from app import clock
    from app.cli.terminal import actor
    from app.configfile import apply as configuration
    from app.db import transaction
    from app.people.model import Actor, Role
    from app.people.permission import require

    loaded = load_or_exit(folder)
    with transaction() as db:
        who = Actor(None, Role.ADMIN, "cli") if as_ is None else actor(db, as_)
        require(who, "administer")
        applied = configuration.apply(db, loaded, who, clock.now(db))
    if as_json:
        _print_json({"version": applied.version, "changes": [change.record() for change in applied.changes]})
        return
    _print_changes(applied.changes)
    typer.echo(f"version {applied.version} is active")
    if folder is not None and folder.resolve() != settings().config.resolve():
        typer.echo(
            f"the next `tocsin up` applies {settings().config} again; to keep this folder, start it with TOCSIN_CONFIG={folder}"
        )


@config.command()
def export(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to write to; default: standard output, without runbooks.")
    ] = None,
) -> None:
    """Export the active version as files: `${VARIABLES}` as written, other secrets as `***`."""
    from app.configfile import store
    from app.configfile.export import written
    from app.db import transaction

    with transaction() as db:
        files = written(store.files(db))
    if not files:
        raise _wrong("no active configuration; run `tocsin config apply` first", 1)
    for file, text in files.items():
        if folder is not None:
            _write(folder, file, text)
        elif file.endswith((".yaml", ".yml")):
            typer.echo(f"# {printable(file)}\n{text.rstrip()}\n---")
    if folder is not None:
        typer.echo(f"{counted(len(files), 'file')} in {folder}")


@config.command()
def schema() -> None:
    """Print the JSON Schema of a configuration file, for editors."""
    from app.cli.terminal import warn_of_broken_probes
    from app.configfile.editor import schema as made

    warn_of_broken_probes()
    _print_json(made())


@routes.command("test")
def take(
    labels: Annotated[str, typer.Option(help='The alert\'s labels: a=b,c="d e".')],
    severity: Annotated[str | None, typer.Option(help="Default: the label severity, else error.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When the alert fires, for routes with hours: RFC 3339 with an offset; default: now.")
    ] = None,
    folder: Dir = None,
    as_json: Json = False,
) -> None:
    """Show which route, policy and urgency an alert with these labels gets, and why. Exit 1 when no route matches."""
    from app import clock
    from app.alerts.label import severity_of
    from app.cli.terminal import instant
    from app.cli.terminal import labels as read_labels
    from app.configfile.routing import routing
    from app.wording import present_all, texts

    loaded = load_or_exit(folder)
    assert loaded.config is not None
    try:
        given, when = read_labels(labels), instant(at) or clock.local()
        known, found = routing(loaded.config, given, severity_of(severity, given), when)
    except Invalid as error:
        raise _wrong(str(error), 2) from None
    if as_json:
        fields = {"route": found.number, "policy": found.policy, "urgency": found.urgency.value, "pages": found.hours}
        why = {"because": texts(found.reasons), "reasons": present_all(found.reasons)}
        _print_json({**fields, **why, "labels": known})
    else:
        to = f'policy "{found.policy}"' if found.policy else "no policy"
        waits = f"; paged during {found.hours} hours" if found.hours else ""
        typer.echo(printable(f"{to}, {found.urgency.value} urgency: {texts(found.reasons)}{waits}"))
        typer.echo(printable(f"labels: {', '.join(f'{name}={value}' for name, value in sorted(known.items()))}"))
    raise typer.Exit(0 if found.policy else 1)


def _load(folder: Path | None) -> "Loaded":
    from app.configfile.load import load

    try:
        return load((folder or settings().config).absolute(), environ())
    except Invalid as error:
        raise _wrong(str(error), 2) from None


def load_or_exit(folder: Path | None) -> "Loaded":
    loaded = _load(folder)
    if loaded.errors:
        _tell(loaded)
        raise typer.Exit(2 if loaded.unreadable else 1)
    return loaded


def _with_never_pinged(loaded: "Loaded") -> "Loaded":
    """Add warnings about heartbeats that cannot alert yet; known only if the database responds."""
    from dataclasses import replace

    declared = loaded.config.items.get("heartbeat", {}) if loaded.config else {}
    if not declared:
        return loaded
    from sqlalchemy.exc import SQLAlchemyError

    from app.checks.heartbeats import store
    from app.db import transaction
    from app.errors import Unavailable

    try:
        with transaction() as db:
            new = store.names_in(db, "new")
    except (Unavailable, SQLAlchemyError):
        return loaded
    silent = [declared[name] for name in new if name in declared]
    found = [finding(one.file, one.line, Code.NEVER_PINGED, subject=one.subject) for one in silent]
    return replace(loaded, warnings=tuple(sorted({*loaded.warnings, *found})))


def _tell(loaded: "Loaded") -> None:
    for one in loaded.warnings:
        typer.secho(f"{printable(one.file)}:{one.line}: warning: {one.message}", fg="yellow", err=True)
    for one in loaded.errors:
        typer.secho(str(one), fg="red", err=True)
    if loaded.errors:
        typer.secho(f"{counted(len(loaded.errors), 'error')}; nothing was changed", err=True)


def _wrong(message: str, code: int) -> typer.Exit:
    typer.secho(message, fg="red", err=True)
    return typer.Exit(code)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def _print_changes(changes: "Sequence[Change]") -> None:
    for change in changes:
        typer.echo(printable(str(change)))
    if not changes:
        typer.echo("no changes")


def _count(loaded: "Loaded") -> str:
    """`4 teams, 1 rule, ...`: what is named, in the order of the documentation."""
    many = {key: number for key, number in loaded.counts.items() if number and not _is_single(key)}
    return ", ".join(counted(number, *NAMES.get(key, (key.removesuffix("s"), key))) for key, number in many.items())


def _is_single(key: str) -> bool:
    from app.configfile.sections import SECTIONS, Shape

    return key in SECTIONS and SECTIONS[key].shape is Shape.ONE


def _write(folder: Path, file: str, text: str) -> None:
    target = folder / file
    if not target.resolve().is_relative_to(folder.resolve()):
        raise _wrong(f"{file} would be written outside {folder}", 2)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
