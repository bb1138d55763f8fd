"""Hands messages to their channels, many at once, each with its own deadline. No database in here.

A page leaves only if it was wanted a moment ago: who was stopped meanwhile, or is slow to connect, asks again.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from pydantic import BaseModel, ValidationError

from app import plugins
from app.checks.redactor import redactor
from app.concurrency.deadline import awake, within
from app.concurrency.loop import as_they_come
from app.errors import DeliveryError, Permanent, Stale, Transient
from app.log import get
from app.notify.model import Channel as ChannelPlugin
from app.notify.model import Claim, Receipt
from app.notify.outcome import Sent
from app.notify.service import Job
from app.reason import Reason
from app.seal import Unreadable, opened
from app.validation import named

DEADLINE = 8.0  # seconds for one message, all in all; less than the lease
SURE = 1.0  # seconds for which a page counts as wanted once that was asked
LONGEST = 30.0  # seconds of asking and connecting anew
LATEST = 1.8  # seconds after that at which its first byte may leave
SLICE = 0.02  # seconds in which outcomes are gathered before they are written

log = get(__name__)


Ask = Callable[[Claim], Awaitable[bool | Reason]]


async def send_all(jobs: Sequence[Job], ask: Ask) -> AsyncIterator[list[Sent]]:
    """Send all jobs concurrently; yields outcomes in small batches as they come, so that a slow one holds up no other.

    ask: whether a page is still ours and wanted. Of one that is not, nothing is sent and nothing yielded; of one whose person
    or contact is not there any more, the reason is.
    """
    async for sent in as_they_come([_send(job, ask) for job in jobs], SLICE):
        if ended := [one for one in sent if one is not None]:
            yield ended


async def _send(job: Job, ask: Ask) -> Sent | None:
    if job.gone is not None:
        return Sent(job.claim, job.gone)
    began, asked, longest = awake(), job.asked, LATEST
    try:
        while True:
            if awake() - asked > SURE:
                if (wanted := await ask(job.claim)) is not True:
                    return Sent(job.claim, wanted) if wanted else None
                asked, longest = awake(), DEADLINE  # who is slow to connect to gets its time
            with suppress(Stale):
                return Sent(job.claim, await within(DEADLINE, _hand_over(job, asked, asked + longest)))
            if awake() - began > LONGEST:
                return Sent(job.claim, Transient("connection timed out"))
            asked = -math.inf
    except TimeoutError:
        return Sent(job.claim, Transient(f"no response within {DEADLINE:g} s"))
    except DeliveryError as error:
        error.args = (_hidden(job, str(error)),)
        return Sent(job.claim, error)
    except Exception as error:
        log.exception("channel_failed", channel=job.claim.draft.channel, page=job.claim.id)
        return Sent(job.claim, Transient(_hidden(job, f"channel error: {type(error).__name__}: {error}")))


async def _hand_over(job: Job, asked: float, not_after: float) -> Receipt:
    plugin, spec = _prepared(job)
    return await plugin.send(spec, replace(job.message, asked=asked, not_after=not_after), DEADLINE)


def _prepared(job: Job) -> tuple[ChannelPlugin, BaseModel]:
    """The channel's kind, and its settings with their secrets in clear. Raises Permanent."""
    name = job.claim.draft.channel
    if job.channel is None:
        raise Permanent(f'channel "{name}" not found')
    try:
        plugin: ChannelPlugin = plugins.module("app.notify.channels", job.channel.kind)
    except KeyError:
        raise Permanent(f'channel "{name}": the kind "{job.channel.kind}" is not active yet') from None
    try:
        return plugin, plugin.Spec.model_validate(opened(job.channel.options))
    except Unreadable as error:
        raise Permanent(f'channel "{name}": {error}') from None
    except ValidationError as error:
        raise Permanent(f'channel "{name}": invalid settings: {named(error.errors()[0])}') from None


def _hidden(job: Job, said: str) -> str:
    """What went wrong, without the channel's secrets: servers repeat what they are told, and everybody reads the timeline."""
    try:
        return redactor(_prepared(job)[1])(said)
    except Permanent:
        return said
