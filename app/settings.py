"""What the environment says, read once and frozen; and what the home says of the stack that runs in it, or ran last."""

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from app import kept
from app.errors import Invalid
from app.variables import PREFIX, READER, Settings, home_secret, parse, same, shown

__all__ = [
    "READER",
    "Settings",
    "environ",
    "home_secret",
    "kept_from_last",
    "of_home",
    "read_settings",
    "settings",
    "stack_environ",
    "to_keep",
    "to_start",
]


@lru_cache
def settings() -> Settings:
    """As `read_settings`, once a process."""
    return read_settings()


def read_settings() -> Settings:
    """The settings of this process: of the stack that runs in its home, else its variables over those kept in the home.

    Raises Invalid when a variable is wrong or contradicts the stack that runs.
    """
    own = parse({})
    if os.environ.get(kept.MARK) == str(own.sockets):
        return own  # a process of the stack: it was started with all of its settings
    found = _running(own.home)
    if found is None:
        return parse(_unless_set(kept.read(kept.last(own.home)), implied=True))
    theirs = parse({**found.implied, **found.given}, alone=True)
    differing = "; ".join(_differences(own, theirs, found.given))
    if differing:
        raise Invalid(f"{differing}; unset it here, or stop the stack and start it with the new value")
    return theirs


def of_home() -> Settings:
    """As `settings`, for what needs no more than the home: nothing is compared."""
    own = parse({})
    found = _running(own.home)
    return own if found is None else parse({**found.implied, **found.given}, alone=True)


def to_start() -> Settings:
    """The settings of a stack that is to be started: this process's variables over those given at the last start.

    An empty variable drops a kept one. Where a stack runs already its settings stand, as for every other command.
    """
    own = parse({})
    if _running(own.home) is not None:
        return read_settings()
    return parse(_unless_set(kept.read(kept.last(own.home)), implied=False))


def environ() -> Mapping[str, str]:
    """What `${NAME}` in the configuration means: the stack's own variables and, below them, those of this process."""
    if os.environ.get(kept.MARK):
        return os.environ
    own = settings()
    found = _running(own.home)
    if found is not None:
        return {**os.environ, **found.given}
    found = kept.read(kept.last(own.home))
    return {**(found.given if found else {}), **os.environ}


def kept_from_last(found: Settings) -> list[str]:
    """What a start with these settings takes from the last one, for people: `NAME=value` without secrets."""
    before = kept.read(kept.last(found.home))
    given = before.given if before else {}
    return [_assignment(name, value) for name, value in given.items() if name not in os.environ]


def stack_environ(found: Settings) -> dict[str, str]:
    """The environment of the processes of a stack with these settings, whatever this shell or the last start had set."""
    before = kept.read(kept.last(found.home))
    own = {PREFIX + name.upper() for name in Settings.model_fields}
    others = {name: value for name, value in (before.given if before else {}).items() if name not in own}
    return {**others, **os.environ, **dict.fromkeys(own & os.environ.keys(), ""), **found.variables()}


def to_keep(found: Settings, environ: Mapping[str, str]) -> kept.Kept:
    """What a home keeps of a start in this environment: every Tocsin variable with a value; also those only files read."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    for name in ("TOCSIN_HOME", kept.MARK):
        given.pop(name, None)
    return kept.Kept(given, {"TOCSIN_HOME": str(found.home), "TOCSIN_CONFIG": str(found.config)})


def _assignment(name: str, value: str) -> str:
    """`NAME=value`; only the name of what Tocsin itself does not read, for nobody here knows whether it is a secret."""
    field = name.removeprefix(PREFIX).lower()
    return f"{name}={shown(field, value)}" if field in Settings.model_fields else name


def _running(home: Path) -> kept.Kept | None:
    """What the stack that runs in `home` was started with; None where none runs, or one of an older release."""
    return kept.read(kept.running(home)) if kept.supervisor(home) is not None else None


def _unless_set(found: kept.Kept | None, implied: bool) -> dict[str, str]:
    given = {**(found.implied if implied else {}), **found.given} if found else {}
    return {name: value for name, value in given.items() if name not in os.environ}


def _differences(own: Settings, theirs: Settings, given: Mapping[str, str]) -> Iterator[str]:
    """Each variable of this process that says something else than the stack that runs."""
    for name in sorted(own.model_fields_set - {"home"}):
        here, there = getattr(own, name), getattr(theirs, name)
        if not same(here, there):
            yield _difference(PREFIX + name.upper(), shown(name, here), shown(name, there))
    fields = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(given.keys() - fields):
        if os.environ.get(name) not in (None, "", given[name]):
            yield _difference(name, shown(name, os.environ[name]), shown(name, given[name]))


def _difference(name: str, here: str, there: str) -> str:
    same = " (the secret parts differ)" if here == there else ""
    return f"{name} is {here} here, but {there} in the running stack{same}"
