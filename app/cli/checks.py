"""`tocsin checks ...`"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.pausing import Length, Until, Why, end, said
from app.cli.scaffold.kind import Kind
from app.cli.terminal import As, Json, actor, cell, say, say_json, say_list
from app.errors import Invalid, NotFound
from app.figures import figure
from app.units import counted, format_duration, measured

if TYPE_CHECKING:
    from app.catalog.matcher import Matchers
    from app.checks.present import PublicCheck

checks = typer.Typer(help="Checks: list, show, run, pause, resume; accept a baseline; create a probe.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The check's name.")]
Service = Annotated[str | None, typer.Option(help="Only checks of this service.")]
Family = Annotated[str | None, typer.Option(help="Only checks of this family: health, performance, business or security.")]
Match = Annotated[list[str] | None, typer.Option(help='Matchers, e.g. \'service="shop", status!="ok"\'; repeatable.')]


@checks.command("list")
def list_(service: Service = None, family: Family = None, match: Match = None, as_json: Json = False) -> None:
    """List checks with their last result."""
    from app.checks import store
    from app.checks.present import present
    from app.checks.select import select
    from app.checks.service import declared
    from app.db import transaction

    with transaction() as db:
        known, states = declared(db), store.states(db)
    names = select(known, states, service=service, family=family, matchers=_matchers(match))
    rows = [present(states[name], known[name]) for name in sorted(names) if name in states]
    shown = ("name", "probe", "status", "at", "paused", "message")
    none = "no checks match" if known else "no checks declared; docs/alerting_configuration.md shows one"
    say_list(rows, shown, as_json, none)


@checks.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one check."""
    found = _look(name)
    if as_json:
        say_json(found)
        return
    for key, value in found.items():
        say(f"{key}: {'paused' if key == 'next_due_at' and found['paused'] else _words(key, value)}")


@checks.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="The checks' names.", show_default=False)] = None,
    service: Service = None,
    family: Family = None,
    match: Match = None,
    all_: Annotated[bool, typer.Option("--all", help="Every check.")] = False,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Run checks now, on their own queues. Exit 1 unless every result is ok."""
    from app.actions.run import ask, results
    from app.checks import store
    from app.checks.select import select
    from app.checks.service import declared
    from app.db import transaction

    if not (names or service or family or match or all_):
        raise Invalid("no checks selected; give names, --service, --family, --match or --all")
    with transaction() as db:
        who = actor(db, as_)
        chosen = select(declared(db), store.states(db), names or (), service, family, _matchers(match))
    if not chosen:
        raise NotFound("no checks match; see `tocsin checks list`")
    ok, found = True, []
    for count, result in enumerate(results(ask(chosen, who)), 1):
        ok = ok and result["status"] == "ok"
        found.append(result)
        if not as_json:
            _say_result(result, f"[{count}/{len(chosen)}] " if len(chosen) > 1 else "", metrics=len(chosen) == 1)
    if as_json:
        say_json({key: value for key, value in found[0].items() if key != "name"} if len(names or ()) == 1 else found)
    raise typer.Exit(0 if ok else 1)


@checks.command("try")
def try_(
    probe: Annotated[str, typer.Argument(help="FAMILY.NAME of a probe, or the name of a check.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=VALUE", help="A setting of the probe; the value is YAML. Repeatable."),
    ] = None,
    timeout: Annotated[str | None, typer.Option(help="Timeout, e.g. 5s.")] = None,
    at: Annotated[str | None, typer.Option(help="Run it at this location.")] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Run a probe or check once with other settings, on a worker; nothing is saved. Exit 1 unless the result is ok."""
    from app.actions.run import TRY, results, try_out
    from app.checks.service import declared, in_clear
    from app.configfile.trial import trial
    from app.db import transaction

    with transaction() as db:
        who, known = actor(db, as_), declared(db).get(probe)
    base: dict[str, Any] = {"probe": probe}
    if known:
        base = in_clear(known).model_dump(mode="json", by_alias=True, exclude_unset=True)
    base |= {key: value for key, value in (("timeout", timeout), ("at", at)) if value is not None}
    check, wrong = trial({**base, "with": {**base.get("with", {}), **_settings(settings or [])}}, probe)
    if check is None:
        raise Invalid("; ".join(one.detail for one in wrong))
    result = next(results(try_out(check, who, probe if known else TRY)))
    if as_json:
        say_json(result)
    else:
        _say_result({**result, "name": probe}, "", metrics=True)
    raise typer.Exit(0 if result["status"] == "ok" else 1)


@checks.command()
def baseline(name: Name, as_json: Json = False) -> None:
    """Show the accepted baseline and what differs from it. Exit 1 when something differs."""
    from app.actions.baseline import shown
    from app.db import transaction

    with transaction() as db:
        found = shown(db, name)
    if as_json:
        say_json(found)
    else:
        _say_drift(found)
    raise typer.Exit(1 if found["added"] or found["gone"] or found["changed"] else 0)


@checks.command()
def accept(name: Name, as_json: Json = False, as_: As = None) -> None:
    """Accept the last observation as the new baseline; the next run compares with it."""
    from app import clock
    from app.actions.baseline import accept, shown
    from app.db import transaction

    with transaction() as db:
        before = shown(db, name)
        found = accept(db, name, actor(db, as_), clock.now(db))
    if as_json:
        say_json(found)
        return
    _say_drift(before)
    say(f"{name}: baseline accepted, {counted(len(found['accepted']), 'entry', 'entries')}")


def _matchers(texts: list[str] | None) -> "Matchers":
    from app.catalog.matcher import parse_matchers

    try:
        return tuple(one for text in texts or () for one in parse_matchers(text))
    except ValueError as error:
        raise Invalid(str(error)) from None


def _settings(texts: list[str]) -> dict[str, Any]:
    """`port=443` -> {"port": 443}; what is after the = is YAML, as in a file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Invalid(f'invalid setting "{text}"; write NAME=VALUE')
        try:
            found[name] = YAML(typ="safe", pure=True).load(value) if value else ""
        except YAMLError:
            found[name] = value
    return found


def _say_result(result: dict[str, Any], before: str, metrics: bool) -> None:
    message = f": {result['message']}" if result["message"] else ""
    say(f"{before}{result['name']}: {result['status']} in {measured(result['seconds'])}{message}")
    for metric, value in result["metrics"].items() if metrics else ():
        say(f"  {metric}: {figure(metric, value)}")
    for one in result.get("series", ()) if metrics else ():
        labels = ",".join(f'{name}="{value}"' for name, value in one["labels"].items())
        say(f"  {one['metric']}{{{labels}}}: {figure(one['metric'], one['value'])}")


def _words(key: str, value: Any) -> str:
    """A value of a check, for people."""
    if key == "every":
        return format_duration(timedelta(seconds=value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_words(name, one)}" for name, one in value.items()) or "-"
    return figure(key, value) if isinstance(value, float) else cell(value)


def _say_drift(found: dict[str, Any]) -> None:
    for sign, key in (("+", "added"), ("-", "gone"), ("~", "changed")):
        for thing in found[key]:
            was, now = found["accepted"].get(thing), found["observed"].get(thing)
            say(f"{sign} {thing}: {was} -> {now}" if key == "changed" else f"{sign} {thing}: {now or was}")
    if not (found["added"] or found["gone"] or found["changed"]):
        say(f"{found['check']}: no differences, {counted(len(found['accepted']), 'entry', 'entries')} in the baseline")


@checks.command()
def pause(name: Name, length: Length = None, until: Until = None, reason: Why = "", as_: As = None) -> None:
    """Pause a check: it does not run until the given time or until it is resumed; its alerts are resolved."""
    from app import clock
    from app.actions.check import pause
    from app.checks import store
    from app.db import transaction

    with transaction() as db:
        now = clock.now(db)
        pause(db, name, actor(db, as_), now, until=end(length, until, now), reason=reason)
        say(said(name, store.pauses(db).get(name), "until resumed"))


@checks.command()
def resume(name: Name, as_: As = None) -> None:
    """Resume a check: it runs at once, then on its schedule."""
    from app import clock
    from app.actions.check import resume
    from app.db import transaction

    with transaction() as db:
        resume(db, name, actor(db, as_), clock.now(db))
    say(f"{name}: resumed")


@checks.command()
def new(
    name: Annotated[str, typer.Argument(metavar="FAMILY.NAME", help="For example security.file_mode.")],
    kind: Annotated[Kind, typer.Option(help="What the probe reads; selects the template.")] = Kind.NETWORK,
    description: Annotated[str | None, typer.Option(help="What the probe checks, in one sentence.")] = None,
    folder: Annotated[Path, typer.Option(help="Root of a Tocsin source tree.")] = Path(),
) -> None:
    """Create a probe from a template, with its test and its entry in the reference."""
    from app.cli.scaffold.write import draft, write

    made = draft(name, kind, description)
    for written, what in write(made, folder.absolute()):
        typer.secho(f"wrote {what}" if written else f"skipped: {what}", err=not written)
    typer.echo(
        "next: edit the probe, restart the workers (`tocsin down`, `tocsin up --detach`), declare a check that uses it:\n"
    )
    typer.echo(f"checks:\n  my-{made.name.replace('_', '-')}:\n    probe: {made.probe}\n    with: {made.settings}")


def _look(name: str) -> "PublicCheck":
    from app.checks import service, store
    from app.checks.present import present
    from app.db import transaction

    with transaction() as db:
        check = service.check(db, name)
        return present(store.states_of(db, [name])[name], check)
