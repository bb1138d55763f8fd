"""The person's inbox in the console: the page's row is the message, so it arrives when it is written."""

from pydantic import BaseModel, ConfigDict

from app.notify.model import Message, Receipt


class Spec(BaseModel):
    """Built in; nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


async def send(spec: Spec, message: Message, timeout: float) -> Receipt:  # noqa: ARG001
    """Say yes: it is there already."""
    return Receipt(delivered=True)
