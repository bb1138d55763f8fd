"""A provider that repeats what it was told does not get a channel's secrets into the timeline, which everybody reads."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.model import Channel
from app.errors import DeliveryError, Permanent, Transient
from app.notify import channels
from app.notify.send import send_all
from app.plugins import module
from app.seal import marked
from tests.notify.test_webhook import job, still_wanted

PARROT = '''"""Repeats what it was told."""
from base64 import b64encode

from pydantic import BaseModel, SecretStr

from app.errors import Permanent, Transient


class Spec(BaseModel):
    how: str
    username: str = "t"
    password: SecretStr
    url: str = "https://u:second-canary@h/"


async def send(spec, message, timeout):
    login = f"{spec.username}:{spec.password.get_secret_value()}"
    said = f"535 no: {login} {b64encode(login.encode()).decode()} {spec.url}"
    raise {"transient": Transient(said, 7.0), "permanent": Permanent(said), "broken": ValueError(said)}[spec.how]
'''


@pytest.fixture(autouse=True)
def parrot(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "parrot.py").write_text(PARROT)
    channels.__path__.append(str(tmp_path))
    yield
    channels.__path__.remove(str(tmp_path))
    sys.modules.pop("app.notify.channels.parrot", None)
    module.cache_clear()


@pytest.mark.parametrize("how, kind", [("transient", Transient), ("permanent", Permanent), ("broken", Transient)])
def test_what_went_wrong_is_said_without_the_channels_secrets(how: str, kind: type[DeliveryError]) -> None:
    channel = Channel.model_validate({"kind": "parrot", "how": how, "password": marked("first-canary")})

    async def story() -> list[DeliveryError]:
        return [one.answer async for batch in send_all([job("parrot", channel)], still_wanted) for one in batch]  # type: ignore[misc]

    (error,) = asyncio.run(story())
    assert type(error) is kind
    assert "535 no: t:***" in str(error)
    assert "canary" not in str(error)
    assert "dDpmaXJzdC1jYW5hcnk" not in str(error)
    if how == "transient":
        assert error.retry_after == 7.0  # type: ignore[attr-defined]
