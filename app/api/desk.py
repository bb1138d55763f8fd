"""Where calls of senders are taken, many at once: whose they are, what they say, and one commit for all. Runs in threads."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from app import clock, line
from app.api.caller import actor_by
from app.db import has_ended, transaction
from app.errors import Busy, Invalid, NotActive, NotFound, TooLarge, Unavailable
from app.people.permission import require
from app.signals import service as inbox
from app.signals.model import Call, Integration, SignalStatus, source_of
from app.signals.recall import Recall, Remembered, Sent, digest
from app.signals.sources.generic import parse

KEPT = 16_384  # characters of a refused call
TOKEN = "tocsin_"  # noqa: S105  (an API token begins with it, an integration's key does not)
RECALL = Recall()
"""Of this process."""

Source = tuple[str, str | None]  # what its alerts carry as source, and the service they are about unless they say so
Taken = tuple[tuple[str, str], ...]  # key and trace id of each event of a call, in its order
Whose = Callable[[Connection, str, datetime], Source]


@dataclass(frozen=True, slots=True)
class Posted:
    """A call as it came. whose: finds its source by the credential; raises NotLoggedIn, Forbidden, NotFound, NotActive."""

    whose: Whose
    credential: str
    body: bytes


@dataclass(slots=True)
class _Round:
    """Calls that share a transaction. What is remembered and what is kept of refused ones waits for its end."""

    calls: Sequence[Posted]
    answers: dict[int, Taken | Exception] = field(default_factory=dict)  # by place
    sources: dict[int, Source] = field(default_factory=dict)
    looks: dict[int, bytes] = field(default_factory=dict)  # digests of what was sent
    known: dict[bytes, Remembered] = field(default_factory=dict)
    refused: list[tuple[str, str, str]] = field(default_factory=list)  # source, beginning of the body, reason


def take(calls: Sequence[Posted]) -> list[Taken | Exception]:
    """Committed when this returns: what was taken of each call, or why it was not. Raises Unavailable for all of them."""
    try:
        return _take(calls)
    except Exception as error:
        if len(calls) == 1 and not isinstance(error, Unavailable):
            return [error]
        if len(calls) == 1 or (isinstance(error, Unavailable) and not isinstance(error, Busy)):
            raise
    return [_alone(call) for call in calls]


def _alone(call: Posted) -> Taken | Exception:
    """Where one of several cannot be taken, each is by itself: whatever is wrong with a call is no other sender's error."""
    try:
        return _take([call])[0]
    except Exception as error:
        if isinstance(error, Unavailable) and not isinstance(error, Busy):
            raise
        return error


def _take(calls: Sequence[Posted]) -> list[Taken | Exception]:
    """One transaction for all."""
    made = _Round(calls)
    with transaction() as db:
        at = clock.now(db)
        _find_sources(db, made, at)
        _take_again(db, made, at)
        _take_fresh(db, made, at)
    for look, remembered in made.known.items():
        RECALL.put(look, remembered)
    if made.refused:
        with transaction() as db:
            for one in made.refused:
                inbox.keep_refused(db, *one, clock.now(db))
    return [made.answers[place] for place in range(len(calls))]


def _find_sources(db: Connection, made: _Round, at: datetime) -> None:
    """Whose each call is; who sends many is looked up once."""
    found: dict[tuple[Whose, str], Source | Exception] = {}
    for place, call in enumerate(made.calls):
        asked = (call.whose, call.credential)
        if asked not in found:
            try:
                found[asked] = call.whose(db, call.credential, at)
            except Exception as error:
                if isinstance(error, Unavailable) or has_ended(error):
                    raise
                found[asked] = error
        source = found[asked]
        if isinstance(source, Exception):
            made.answers[place] = source
        else:
            made.sources[place] = source
            made.looks[place] = digest(*source, call.body)


def _take_again(db: Connection, made: _Round, at: datetime) -> None:
    """Answer the calls that repeat earlier ones and change nothing."""
    known = {place: found for place, look in made.looks.items() if (found := RECALL.get(look))}
    if not known:
        return
    for (place, remembered), traces in zip(known.items(), line.take_again(db, list(known.values()), at), strict=True):
        if traces is not None:
            made.answers[place] = tuple((one.key, trace) for one, trace in zip(remembered.alerts, traces, strict=True))


def _take_fresh(db: Connection, made: _Round, at: datetime) -> None:
    """Read the others and take them together."""
    fresh: dict[int, Call] = {}
    for place in [one for one in made.sources if one not in made.answers]:
        source, body, trace = made.sources[place], made.calls[place].body, secrets.token_hex(8)
        try:
            fresh[place] = Call(source[0], parse(body, *source, trace), body, trace)
        except Exception as error:  # noqa: BLE001 - it is this sender's, whatever they sent
            made.answers[place] = error
            if isinstance(error, Invalid) and not isinstance(error, TooLarge):  # for whoever asks what became of their alert
                raw = body[:KEPT].decode("utf-8", "replace").replace("\0", "\ufffd")
                made.refused.append((source[0], raw, str(error)))
    if not fresh:
        return
    taken = line.take(db, list(fresh.values()), at)
    for place, call in fresh.items():
        made.answers[place] = tuple((signal.key, signal.trace) for signal in call.signals)
        if all(signal.status is SignalStatus.FIRING for signal in call.signals):
            sent = tuple(Sent(one.key, mark := one.fingerprint, taken.contents.get(mark, "")) for one in call.signals)
            made.known[made.looks[place]] = Remembered(taken.as_of, sent)


def by_token(db: Connection, token: str, now: datetime) -> Source:
    """Of an API token, or an integration's key in its place."""
    if not token.startswith(TOKEN) and (found := _by_key(db, token, now)) is not None:
        return found.source, found.service
    actor = actor_by(db, token, now)
    require(actor, "respond")
    return source_of(actor.login), None


def by_path(db: Connection, key: str, now: datetime) -> Source:
    """Of an integration's key in the path."""
    found = _by_key(db, key, now)
    if found is None:
        raise NotFound("no integration has this key; see `tocsin integrations list`")
    if found.kind == "healthchecks":
        raise NotFound("a ping must name its heartbeat: /in/KEY/SLUG or /ping/KEY/SLUG; see `tocsin heartbeats list`")
    if found.kind != "generic":
        raise NotActive(f'integrations of kind "{found.kind}" are not active yet; "generic" is')
    return found.source, found.service


def must_be_known(key: str) -> None:
    """Raises as `by_path`."""
    with transaction() as db:
        by_path(db, key, clock.now(db))


def _by_key(db: Connection, key: str, now: datetime) -> Integration | None:
    return inbox.by_key(db, key, now) if len(key) == 32 and key.isascii() and key.isalnum() else None
