"""Posts a page as JSON to a URL, signed, with the same idempotency key on every repeat.

`Tocsin-Signature: t=UNIX,v1=HEX` is the HMAC-SHA256 of `t.body` with the secret; receivers should reject an old `t`.
"""

import hmac
import time
from functools import partial
from hashlib import sha256
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.concurrency.deadline import within
from app.errors import Permanent, Stale, Transient
from app.net import http
from app.net.header import Headers
from app.net.url import Url
from app.notify.flight import in_time
from app.notify.model import Message, Receipt
from app.visible import plain_json

LONGER = 60.0  # seconds
TRY_AGAIN = (408, 429)  # and every 5xx


class Spec(BaseModel):
    """Where to post, and the secret both sides know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url = Field(description="http or https URL", examples=["https://hooks.example.org/tocsin"])
    secret: SecretStr | None = Field(
        default=None, description="signs every message; if unset, messages are not signed", examples=["${HOOK_SECRET:-secret}"]
    )
    headers: Headers = Field(default_factory=dict, description="headers to send with every message")
    verify_tls: bool = Field(default=True, description="verify the server's certificate")


async def send(spec: Spec, message: Message, timeout: float) -> Receipt:
    """2xx is a yes. Time-outs, refused connections, 408, 429 and 5xx may be tried again; anything else may not."""
    body = plain_json(orjson.dumps(message.json).decode()).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "Tocsin", **spec.headers, "Idempotency-Key": message.key}
    if spec.secret is not None:
        headers["Tocsin-Signature"] = sign(spec.secret.get_secret_value().encode(), int(time.time()), body)
    # `within` ends it: libcurl's own clock would drop an answer that came while we were stopped, and it would be sent again.
    bounds: dict[str, Any] = {"connect_timeout": timeout, "timeout": timeout + LONGER, "max_bytes": 65_536}
    request = http.Request(
        spec.url, "POST", headers, body, verify_tls=spec.verify_tls, wanted=partial(in_time, message), **bounds
    )
    try:
        response = await within(timeout, http.fetch(request))
    except TimeoutError:
        raise Transient(f"no response within {timeout:g} s") from None
    except http.NotSent as failure:
        raise Stale(str(failure)) from None
    except http.Failed as failure:
        kind = Permanent if failure.kind is http.Kind.BLOCKED else Transient
        raise kind(str(failure)) from None
    if 200 <= response.status < 300:
        return Receipt(provider_id=response.headers.get("x-request-id"))
    said = f"the receiver returned {response.status}"
    if response.status in TRY_AGAIN or response.status >= 500:
        raise Transient(said, _seconds(response.headers.get("retry-after")))
    raise Permanent(said)


def sign(secret: bytes, at: int, body: bytes) -> str:
    """The value of `Tocsin-Signature`; `at` is Unix time in seconds."""
    return f"t={at},v1={hmac.new(secret, f'{at}.'.encode() + body, sha256).hexdigest()}"


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isascii() and header.isdigit() else None
