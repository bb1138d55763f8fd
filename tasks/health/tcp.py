"""A TCP port: accepts a connection, and sends the expected text if one is set.

Metrics: `seconds` until the connection is established (including the TLS handshake, if used) and the expected text has arrived.

Critical: connection refused, no connection within the timeout, or not the expected text. It never warns.
"""

import asyncio
import time

from app.checks.probe import Field, Reading, Run, Spec, Status, Unreachable, measured, probe, unanswered
from app.failure import Failed
from app.net import tcp, tls
from app.net.url import Host

MAX_BYTES = 65_536  # bytes read in search of the expected text


class Target(Spec):
    """The port to connect to, what is sent and what is expected."""

    host: Host = Field(description="name or address", examples=["db1.example.org"])
    port: int = Field(ge=1, le=65535, description="TCP port", examples=[5432])
    send: str | None = Field(default=None, description=r"text to send first, e.g. `PING\r\n`")
    expect: str | None = Field(
        default=None, min_length=1, description="text that must appear in the first 64 KiB of the response, e.g. `SSH-2.0`"
    )
    use_tls: bool = Field(default=False, description="use TLS, trusting the system's CAs")
    verify_tls: bool = Field(
        default=True, description="verify the server's certificate; an untrusted one counts as no response"
    )


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    limit = run.timeout * 0.95  # to report what hung before the runner's time-out
    secured = tls.context(verify=spec.verify_tls) if spec.use_tls else None
    try:
        reader, writer = await tcp.connect(spec.host, spec.port, timeout=limit, tls=secured)
    except Failed as failed:
        raise unanswered(failed) from None
    try:
        async with asyncio.timeout(limit - (time.perf_counter() - started)):
            if spec.send is not None:
                writer.write(spec.send.encode())
                await writer.drain()
            if spec.expect is not None:
                await _expect(reader, spec.expect.encode())
    except TimeoutError:
        raise Unreachable(f"connected, but {spec.expect!r} did not arrive within {limit:.3g} s") from None
    except OSError as error:
        raise Unreachable(f"connected, then connection lost: {error.strerror or 'closed'}") from None
    finally:
        await tcp.close(writer)
    seconds = time.perf_counter() - started
    return Reading(Status.OK, f"connected in {measured(seconds)}", {"seconds": seconds})


async def _expect(reader: asyncio.StreamReader, wanted: bytes) -> None:
    received = b""
    while wanted not in received:
        chunk = await reader.read(4096)
        received += chunk
        if not chunk or len(received) > MAX_BYTES:
            text = received[:80].decode(errors="replace")
            raise Unreachable(
                f"received {text!r}, expected {wanted.decode()!r}"
                if received
                else "it closed the connection without sending data"
            )
