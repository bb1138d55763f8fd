"""Where calls of senders are taken, many at once: whose they are, what they say, and one commit for all. Runs in threads."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app import clock, line
from app.api.caller import actor_of
from app.db import transaction
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


@dataclass(frozen=True, slots=True)
class Posted:
    """A call as it came. whose: finds its source by the credential; raises NotLoggedIn, Forbidden, NotFound, NotActive."""

    whose: Callable[[str], Source]
    credential: str
    body: bytes


def take(calls: Sequence[Posted]) -> list[Taken | Exception]:
    """Committed when this returns: what was taken of each call, or why it was not. Raises Unavailable for all of them."""
    sources = _sources(calls)
    answers: list[Taken | Exception | None] = [one if isinstance(one, Exception) else None for one in sources]
    looks = [
        b"" if isinstance(source, Exception) else digest(*source, call.body)
        for call, source in zip(calls, sources, strict=True)
    ]
    _take_again(looks, answers)
    fresh: dict[int, Call] = {}
    for place, (posted, source) in enumerate(zip(calls, sources, strict=True)):
        if answers[place] is None and not isinstance(source, Exception):
            try:
                fresh[place] = _read(source, posted.body)
            except Exception as error:  # noqa: BLE001 - it is this sender's, whatever they sent
                answers[place] = error
    _take_fresh(fresh, looks, answers)
    return [one for one in answers if one is not None]


def _sources(calls: Sequence[Posted]) -> list[Source | Exception]:
    """Whose each call is; who sends many is looked up once."""
    found: dict[tuple[Callable[[str], Source], str], Source | Exception] = {}
    for call in calls:
        asked = (call.whose, call.credential)
        if asked not in found:
            try:
                found[asked] = call.whose(call.credential)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - it is this sender's, whatever they sent
                found[asked] = error
    return [found[call.whose, call.credential] for call in calls]


def _take_again(looks: Sequence[bytes], answers: list[Taken | Exception | None]) -> None:
    """Answer the calls that repeat earlier ones and change nothing."""
    known = {place: found for place, look in enumerate(looks) if look and (found := RECALL.get(look))}
    if not known:
        return
    for (place, remembered), traces in zip(known.items(), line.intake_again(list(known.values())), strict=True):
        if traces is not None:
            answers[place] = tuple((one.key, trace) for one, trace in zip(remembered.alerts, traces, strict=True))


def _read(source: Source, body: bytes) -> Call:
    """What a call says. Raises TooLarge, and Invalid, which is kept for whoever asks what became of their alert."""
    trace = secrets.token_hex(8)
    try:
        return Call(source[0], parse(body, *source, trace), body, trace)
    except TooLarge:
        raise
    except Invalid as error:
        raw = body[:KEPT].decode("utf-8", "replace").replace("\0", "\ufffd")
        with transaction() as db:
            inbox.keep_refused(db, source[0], raw, str(error), clock.now(db))
        raise


def _take_fresh(calls: dict[int, Call], looks: Sequence[bytes], answers: list[Taken | Exception | None]) -> None:
    """Take these together; where one of them cannot be taken, each by itself."""
    if not calls:
        return
    try:
        taken = line.intake(list(calls.values()))
    except Exception as error:
        alone = len(calls) == 1
        if not alone and isinstance(error, Unavailable) and not isinstance(error, Busy):
            raise
        for place, call in calls.items():
            if alone:
                answers[place] = error
            else:
                _take_fresh({place: call}, looks, answers)
        return
    for place, call in calls.items():
        answers[place] = tuple((signal.key, signal.trace) for signal in call.signals)
        if all(signal.status is SignalStatus.FIRING for signal in call.signals):
            sent = tuple(Sent(one.key, mark := one.fingerprint, taken.contents.get(mark, "")) for one in call.signals)
            RECALL.put(looks[place], Remembered(taken.as_of, sent))


def by_token(token: str) -> Source:
    """Of an API token, or an integration's key in its place."""
    if not token.startswith(TOKEN) and (found := _by_key(token)) is not None:
        return found.source, found.service
    actor = actor_of(token)
    require(actor, "respond")
    return source_of(actor.login), None


def by_path(key: str) -> Source:
    """Of an integration's key in the path."""
    found = _by_key(key)
    if found is None:
        raise NotFound("no integration has this key; see `tocsin integrations list`")
    if found.kind == "healthchecks":
        raise NotFound("a ping must name its heartbeat: /in/KEY/SLUG or /ping/KEY/SLUG; see `tocsin heartbeats list`")
    if found.kind != "generic":
        raise NotActive(f'integrations of kind "{found.kind}" are not active yet; "generic" is')
    return found.source, found.service


def _by_key(key: str) -> Integration | None:
    if not (len(key) == 32 and key.isascii() and key.isalnum()):
        return None
    with transaction() as db:
        return inbox.by_key(db, key, clock.now(db))
