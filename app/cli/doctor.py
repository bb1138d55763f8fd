"""`tocsin doctor`"""

from collections.abc import Iterator

import typer

from app.cli.desk import Json, say, say_json
from app.errors import Invalid, Unavailable
from app.settings import environ, settings

commands = typer.Typer()
CURES = {
    "database": "start it: `tocsin up`, or look at TOCSIN_DATABASE_URL",
    "migrations": "run `tocsin up`, or `tocsin prepare` where processes are started one by one",
    "pager": "start `tocsin pager`: without it nobody is paged when Celery stumbles",
    "beat": "start `tocsin beat`",
    "broker": "start it: `tocsin up`, or look at TOCSIN_BROKER_URL; pages leave by the pager meanwhile",
}
Finding = tuple[str, str, bool]  # what, the cure, whether it is grave


@commands.command()
def doctor(as_json: Json = False) -> None:
    """Say what is wrong with this installation, and the cure. Exit 1 when something is."""
    found = [*_missing(), *_configuration(), *_secrets(), *_probes(), *_heartbeats(), *_blind_rules(), *_on_call(), *_watcher()]
    grave = any(one[2] for one in found)
    if as_json:
        say_json({"ok": not grave, "findings": [{"what": w, "cure": cure, "grave": bad} for w, cure, bad in found]})
    for what, cure, bad in found if not as_json else ():
        say(f"{'wrong' if bad else 'note'}: {what}; {cure}")
    if not found and not as_json:
        say("all is well")
    raise typer.Exit(1 if grave else 0)


def _missing() -> Iterator[Finding]:
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from app.db import transaction
    from app.review.wellbeing import broker_address, missing
    from app.supervisor import readiness

    names = list(asyncio.run(readiness.missing("broker", broker_address(settings().broker), 0)))
    try:
        with transaction() as db:
            names += missing(db)
    except (Unavailable, SQLAlchemyError):
        names.append("database")
    for name in names:
        queue = name.removeprefix("worker:")
        yield f"{name} is missing", CURES.get(name, f"start `tocsin worker -Q {queue}`"), True


def _configuration() -> Iterator[Finding]:
    from app.configfile.load import load

    try:
        loaded = load(settings().config, environ())
    except Invalid as error:
        yield str(error), "look at TOCSIN_CONFIG", True
        return
    for one in loaded.mistakes:
        yield str(one), "mend it and run `tocsin config apply`", True
    for one in loaded.warnings:
        yield str(one), "see `tocsin config check`", False


def _secrets() -> Iterator[Finding]:
    """What is stored under another secret key than this one."""
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
        what = f"the secrets of {', '.join(shut[:5])}{' ...' if len(shut) > 5 else ''} were sealed with another secret key"
        yield what, "restore TOCSIN_SECRET_KEY or HOME/secret-key, or run `tocsin config apply` with the new one", True


def _probes() -> Iterator[Finding]:
    from app.checks import probes

    for why in probes.broken().values():
        yield why, "mend or remove it, and restart the workers", True


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
            f'heartbeat "{name}" was never pinged, so it cannot alert',
            f"`tocsin heartbeats show {name}` has its address",
            False,
        )


def _blind_rules() -> Iterator[Finding]:
    """Rules over a metric that their check ran without, in any label set: they can never fire."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.checks import store as checks
    from app.configfile.mistake import hint
    from app.db import transaction
    from app.rules import book, store
    from app.rules.evaluate import NO_METRIC

    try:
        with transaction() as db:
            rules, metrics = book.book(db).rules, {row["name"]: row["metrics"] for row in checks.states(db)}
            standings = store.states(db)
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for rule in rules:
        said = [one["because"] for one in standings if one["rule"] == rule.name]
        if rule.metric is not None and said and all(NO_METRIC in because for because in said):
            near = hint(rule.metric, metrics.get(rule.check_name, {}))
            yield (
                f'rule "{rule.name}" reads {rule.metric}, which check "{rule.check_name}" does not give{near}',
                "mend its metric",
                False,
            )


def _on_call() -> Iterator[Finding]:
    """Overrides that hold nobody, and people who are paged but can only be reached while they look at the console."""
    from sqlalchemy.exc import SQLAlchemyError

    from app import clock
    from app.db import transaction
    from app.oncall import service
    from app.review.wellbeing import only_inbox

    try:
        with transaction() as db:
            now = clock.now(db)
            idle = service.idle(db, now, now + service.LONGEST)
            quiet = only_inbox(db)
    except (Unavailable, SQLAlchemyError):
        return  # said already
    for name, found in idle.items():
        for one in found:
            yield f'schedule "{name}": {one}', "delete the override, or make one for somebody else", False
    for login in quiet:
        yield f"{login} is paged by a policy, but has no contact method besides the console's inbox", "add one", False


def _watcher() -> Iterator[Finding]:
    if not settings().watcher_url:
        yield "UNWATCHED: nobody learns of this machine's death", "set TOCSIN_WATCHER_URL", False
