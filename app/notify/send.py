"""Hands messages to their channels, many at once, each with its own deadline. No database in here."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from pydantic import ValidationError

from app import plugins
from app.errors import DeliveryError, Permanent, Transient
from app.log import get
from app.net.loop import as_they_come
from app.notify.model import Channel as ChannelPlugin
from app.notify.model import Receipt
from app.notify.outcome import Sent
from app.notify.service import Job

DEADLINE = 8.0  # seconds for one message, all in all; less than the lease
SLICE = 0.02  # seconds in which outcomes are gathered before they are written

log = get(__name__)


async def send_all(jobs: Sequence[Job]) -> AsyncIterator[list[Sent]]:
    """Send all jobs concurrently; yields outcomes in small batches as they come, so that a slow one holds up no other."""
    async for sent in as_they_come([_send(job) for job in jobs], SLICE):
        yield sent


async def _send(job: Job) -> Sent:
    try:
        async with asyncio.timeout(DEADLINE):
            return Sent(job.claim, await _hand_over(job))
    except TimeoutError:
        return Sent(job.claim, Transient(f"no answer within {DEADLINE:g} s"))
    except DeliveryError as error:
        return Sent(job.claim, error)
    except Exception as error:
        log.exception("channel_broke", channel=job.claim.draft.channel, page=job.claim.id)
        return Sent(job.claim, Transient(f"the channel broke: {type(error).__name__}: {error}"))


async def _hand_over(job: Job) -> Receipt:
    name = job.claim.draft.channel
    if job.channel is None:
        raise Permanent(f'there is no channel "{name}"')
    try:
        plugin: ChannelPlugin = plugins.module("app.notify.channels", job.channel.kind)
    except KeyError:
        raise Permanent(f'channel "{name}": the kind "{job.channel.kind}" is not active yet') from None
    try:
        spec = plugin.Spec.model_validate(job.channel.options)
    except ValidationError as error:
        raise Permanent(f'channel "{name}": its settings are wrong: {error.errors()[0]["msg"]}') from None
    return await plugin.send(spec, job.message, DEADLINE)
