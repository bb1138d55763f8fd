"""`tocsin doctor`"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import typer

from app.checks.model import CheckState
from app.checks.probe import Status
from app.cli.terminal import Json, say, say_json
from app.errors import Invalid, Unavailable
from app.reason import Code
from app.review.wellbeing import AHEAD
from app.settings import environ, settings
from app.units import length
from app.walltime import stamp

commands = typer.Typer()
READ_ONLY = (
    "make it writable (`alter system reset default_transaction_read_only`, `select pg_reload_conf()`), or set the primary"
)
WHAT = {  # what each name in `missing` means; queues are said below
    "database": "the database does not respond",
    "database:read-only": "the database is read-only: no pages are sent",
    "database:shutting-down": "the database is shutting down and waits for open sessions",
    "database:starting-up": "the database is starting up or recovering from a crash",
    "database:wrong-password": "the database rejects the password",
    "database:too-many-sessions": "the database has no free connections",
    "migrations": "the database is not migrated to this version",
    "pager": "no pager is running",
    "beat": "no beat is running",
    "broker": "the broker does not respond",
    "broker:cannot-write": "the broker rejects writes: it cannot save its data",
    "disk:full": "a disk is full",
    AHEAD: "checks are scheduled later than their interval allows: the clock was set back",
}
FIXES = {
    "database": "start it with `tocsin up`, or check TOCSIN_DATABASE_URL",
    "database:read-only": f"{READ_ONLY} in TOCSIN_DATABASE_URL",
    "database:shutting-down": "`tocsin up` restarts its own within 30 s; elsewhere run `pg_ctl stop -m fast`, then start it",
    "database:starting-up": "wait; the PostgreSQL log shows the progress",
    "database:wrong-password": "check TOCSIN_DATABASE_URL",
    "database:too-many-sessions": "raise max_connections, or close other sessions",
    "migrations": "run `tocsin up`, or `tocsin prepare` where processes are started one by one",
    "pager": "start `tocsin pager`; without it pages depend on Celery",
    "beat": "start `tocsin beat`",
    "broker": "start it with `tocsin up`, or check TOCSIN_BROKER_URL; meanwhile the pager sends the pages",
    "broker:cannot-write": "free disk space on its host; meanwhile the pager sends the pages",
    "disk:full": "free disk space",
    AHEAD: "check the clock (`timedatectl`); the checks resume once a pager and a worker run",
}
STARTED = ("database", "broker")  # what `up` starts, unless it runs elsewhere
A_MOMENT = timedelta(minutes=2)
Finding = tuple[str, str, bool]  # what is wrong, the fix, whether it is an error: a note waits


@commands.command()
def doctor(as_json: Json = False) -> None:
    """Report problems with this installation and how to fix them. Exit 1 when there is an error."""
    found = [*_disks(), *_missing(), *_configuration(), *_secrets(), *_probes(), *_heartbeats(), *_checks(), *_paused()]
    found += [*_blind_rules(), *_on_call(), *_watcher()]
    rows = [{"severity": "error" if bad else "note", "what": what, "fix": fix} for what, fix, bad in found]
    ok = not any(bad for *_, bad in found)
    if as_json:
        say_json({"ok": ok, "findings": rows})
    for row in rows if not as_json else ():
        say(f"{row['severity']}: {row['what']}; {row['fix']}")
    if not found and not as_json:
        say("operational: nothing to fix")
    raise typer.Exit(0 if ok else 1)


def _missing() -> Iterator[Finding]:
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from app.db import transaction
    from app.review import wellbeing
    from app.supervisor import readiness, state

    why = state.failed(settings().home)
    failed = f"the last `tocsin up` failed: {why}" if why else ""
    names = list(asyncio.run(readiness.missing("broker", wellbeing.broker_address(settings().broker), 0)))
    seen: list[wellbeing.Worker] = []
    try:
        with transaction() as db:
            names += wellbeing.missing(db)
            seen = wellbeing.workers(db) if "migrations" not in names else []
    except (Unavailable, SQLAlchemyError) as error:
        names += wellbeing.why_away(error)
    for name in names:
        if any(other.startswith(f"{name}:") for other in names):
            continue  # its reason says more
        queue = name.removeprefix("worker:")
        what = WHAT.get(name, name) if queue == name else f"no worker serves queue {queue}{_lost(queue, seen)}"
        fix = FIXES.get(name, f"start `tocsin worker -Q {queue}`{_where(queue)}")
        yield what, failed if failed and name in STARTED else fix, True


def _lost(queue: str, seen: Iterable[Any]) -> str:
    gone = [one for one in seen if queue in one.queues]
    newest = min(gone, key=lambda one: one.age, default=None)
    return f" (last one on {newest.name.partition(':')[0]}, {length(newest.age)} ago)" if newest else ""


def _where(queue: str) -> str:
    return f" at {queue.partition('@')[2]}" if "@" in queue else ""


def _disks() -> Iterator[Finding]:
    from app.supervisor import room

    for disk in room.short(settings().home):
        left = f"{disk.free / 1e6:.0f} MB left" if disk.files else "no inodes left"
        how = "full" if disk.full else "nearly full"
        fix = f"free disk space (`du -xh {disk.path}`), or lower TOCSIN_RETAIN_RESULTS_DAYS"
        yield f"the disk of {disk.path} is {how} ({left})", fix, disk.full


def _configuration() -> Iterator[Finding]:
    from app.configfile.codes import PLANNED
    from app.configfile.load import load

    try:
        loaded = load(settings().config, environ())
    except Invalid as error:
        yield str(error), "check TOCSIN_CONFIG", True
        return
    for one in loaded.errors:
        yield str(one), "fix it, then run `tocsin config apply`", True
    for one in loaded.warnings:
        if one.reason.code not in PLANNED:
            yield str(one), "run `tocsin config check`", False


def _secrets() -> Iterator[Finding]:
    """Secrets that are encrypted with a different secret key."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.configfile.secrets import closed
    from app.configfile.store import in_force
    from app.db import transaction

    try:
        with transaction() as db:
            shut = [f'{one.kind} "{one.name}"' for one in closed(in_force(db))]
    except (Unavailable, SQLAlchemyError):
        return  # said already
    if shut:
        what = (
            f"the secrets of {', '.join(shut[:5])}{' ...' if len(shut) > 5 else ''} are encrypted with a different secret key"
        )
        yield what, "restore TOCSIN_SECRET_KEY or HOME/secret-key, or run `tocsin config apply` with the new key", True


def _probes() -> Iterator[Finding]:
    from app.checks import probes

    for why in probes.broken().values():
        yield why, "fix or remove the file, then restart the workers", True


def _heartbeats() -> Iterator[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    from app.checks.heartbeats import store
    from app.db import transaction

    try:
        with transaction() as db:
            new = store.names_in(db, "new")
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for name in new:
        yield (
            f'heartbeat "{name}" has never been pinged and cannot alert yet',
            f"ping it; `tocsin heartbeats show {name}` shows its URL",
            False,
        )


def _checks() -> Iterator[Finding]:
    """Checks that are unknown, with the reason of their probe. What does not exist on this host is not a problem.

    A check without rules may be unknown for a moment, as after a start.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from app import clock
    from app.checks import store as checks
    from app.db import transaction
    from app.rules import in_force

    try:
        with transaction() as db:
            since, now = checks.unknown_since(db), clock.now(db)
            read = {rule.check_name for rule in in_force.book(db).rules}
            states = checks.states_of(db, sorted(since))
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for name, state in sorted(states.items()):
        began = since[name]
        lasting = name in read or began is None or now - began > A_MOMENT
        if lasting and not (state.reason and state.reason.code == Code.NOT_ON_HOST):
            fix = f"fix that, or pause the check: `tocsin checks pause {name}`"
            yield f'check "{name}" is unknown: {state.message or "no message"}', fix, False


def _paused() -> Iterator[Finding]:
    """What is paused with no end, or for long."""
    from sqlalchemy.exc import SQLAlchemyError

    from app import clock
    from app.checks import store as checks
    from app.checks.heartbeats import store as heartbeats
    from app.checks.pause import forgotten
    from app.db import transaction

    try:
        with transaction() as db:
            now = clock.now(db)
            kinds = {"check": checks.pauses(db), "heartbeat": heartbeats.pauses(db)}
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for kind, pauses in kinds.items():
        for name in forgotten(pauses, now):
            one = pauses[name]
            since = f" for {length(now - one.at)}" if one.at else ""
            until = f" until {stamp(one.until)}" if one.until else ", with no end"
            why = f": {one.reason}" if one.reason else ""
            what = f'{kind} "{name}" is paused{since}{f" by {one.by}" if one.by else ""}{until}{why}'
            yield what, f"resume it: `tocsin {kind}s resume {name}`", False


def _states() -> list[CheckState]:
    from sqlalchemy.exc import SQLAlchemyError

    from app.checks import store as checks
    from app.db import transaction

    try:
        with transaction() as db:
            return list(checks.states(db).values())
    except (Unavailable, SQLAlchemyError):
        return []  # said already


def _blind_rules() -> Iterator[Finding]:
    """Rules on a metric that their check does not report with any label set: they can never fire.

    A check that is unknown reports no metrics at all; that is not a fault of the rule.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from app.configfile.finding import hint
    from app.db import transaction
    from app.rules import in_force, store

    metrics = {one.name: one.metrics for one in _states() if one.status is not Status.UNKNOWN}
    try:
        with transaction() as db:
            rules, series = in_force.book(db).rules, store.listed(db)
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for rule in rules:
        codes = [{reason.code for reason in one.reasons} for one in series if one.rule == rule.name]
        blind = rule.metric is not None and codes and all(Code.NO_METRIC in of_one for of_one in codes)
        if blind and rule.check_name in metrics:
            near = hint(rule.metric or "", metrics[rule.check_name])
            yield (
                f'rule "{rule.name}" reads {rule.metric}, which check "{rule.check_name}" does not report{near}',
                f"use one of its metrics: `tocsin checks show {rule.check_name}`",
                False,
            )


def _on_call() -> Iterator[Finding]:
    """Overrides without effect, and people who can only be reached in the console."""
    from sqlalchemy.exc import SQLAlchemyError

    from app import clock
    from app.db import transaction
    from app.oncall import service
    from app.review.wellbeing import only_inbox

    try:
        with transaction() as db:
            now = clock.now(db)
            idle = service.idle(db, now, now + service.LONGEST)
            quiet = only_inbox(db, now)
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for name, found in idle.items():
        for one in found:
            yield f'schedule "{name}": {one}', "delete the override, or create one for somebody else", False
    for login in quiet:
        yield f"{login} can be paged, but has no contact method besides the console inbox", "add a contact method", False


def _watcher() -> Iterator[Finding]:
    if not settings().watcher_url:
        yield "UNWATCHED: no alert if this machine goes down", "set TOCSIN_WATCHER_URL", False
