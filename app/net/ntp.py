"""One query to an NTP server, and the clock offset that follows from its answer.

Source: RFC 5905 7.3 (header), 7.4 (kiss codes), 8 (offset and delay), 6 (arithmetic across the era of 2036). The request
carries a random number where it could carry our time (as chrony and the data minimization draft have it): whoever cannot read
our datagram cannot answer it, and our clock is not disclosed.
"""

import asyncio
import secrets
import struct
from contextlib import suppress
from dataclasses import dataclass

from app.failure import Failed, Kind
from app.net.datagram import Datagram, Datagrams, Moment
from app.net.resolve import Endpoint

# leap, version and mode in one byte; stratum, poll, precision; root delay, root dispersion, reference; four times
HEADER = struct.Struct("!BBbbII4sQ8sQQ")
REQUEST = bytes([0 << 6 | 4 << 3 | 3]) + bytes(39)  # version 4, client; followed by the random number
SERVER = 4  # mode
EPOCH = 2_208_988_800  # seconds from 1900 to 1970
NANOSECONDS = 1_000_000_000
RETRY_AFTER = 0.4  # share of the time after which we ask again: a lost datagram is no outage
MAX_STRAY = 200  # unrelated datagrams after which listening stops
MAX_CLOCK_STEP = 0.01  # seconds by which our two clocks may run apart during one exchange; slewing makes 0.5 ms a second
ROUNDING = 0.001  # seconds a round trip may seem negative


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer."""

    leap: int  # 0 none, 1 last minute has 61 s, 2 it has 59 s, 3 not synchronised
    stratum: int  # 1 has a clock of its own, 2 asks such a one ...; 0 and 16: none
    code: str  # for stratum 0 why: RATE, DENY, RSTR (RFC 5905 7.4)
    offset: float  # seconds our clock is behind the server's
    delay: float  # seconds on the way there and back; the offset is right to half of it
    root_distance: float  # seconds by which the server itself may be wrong


async def ask(server: Endpoint, timeout: float) -> Answer:
    """The server's answer to our question, and to no other. Raises Failed; ends within `timeout` seconds."""
    sent: dict[bytes, Moment] = {}
    stray = 0
    with Datagrams(server) as socket:
        for share in (RETRY_AFTER, 1 - RETRY_AFTER):
            number = secrets.token_bytes(8)
            sent[number] = socket.send(REQUEST + number)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout * share):
                    while stray < MAX_STRAY:
                        answer = _read(await socket.receive(), sent, server)
                        if answer is not None:
                            return answer
                        stray += 1
    if stray:
        ignored = f"{stray} datagrams ignored (wrong origin, or not NTP)"
        raise Failed(Kind.PROTOCOL, f"{server} did not answer the query; {ignored}")
    raise Failed(Kind.TIMEOUT, f"{server} did not respond within {timeout:.3g} s")


def _read(datagram: Datagram, sent: dict[bytes, Moment], server: Endpoint) -> Answer | None:
    """The parsed answer; None when it matches no request of ours. Raises Failed when its times are inconsistent."""
    if len(datagram.data) < HEADER.size:
        return None
    first, stratum, _, _, delay, dispersion, reference, _, origin, received, transmitted = HEADER.unpack_from(datagram.data)
    request_sent = sent.get(origin)
    if request_sent is None or first & 7 != SERVER:
        return None
    code = reference.rstrip(b"\0").decode("ascii", "replace") if stratum == 0 else ""
    root = delay / 2**17 + dispersion / 2**16  # half the delay; both are 16.16 fixed point
    there, back, inside = (
        since(received, ntp(request_sent.wall)),
        since(transmitted, ntp(datagram.at.wall)),
        since(transmitted, received),
    )
    trip = (datagram.at.monotonic - request_sent.monotonic) / NANOSECONDS
    if first >> 6 != 3 and stratum:
        if abs((datagram.at.wall - request_sent.wall) / NANOSECONDS - trip) > MAX_CLOCK_STEP:
            raise Failed(Kind.OTHER, "the local clock was set during the query")
        if not transmitted or not received or not 0 <= inside <= trip + ROUNDING:
            raise Failed(Kind.PROTOCOL, f"{server} sent inconsistent timestamps: {inside:.3g} s in it, {trip:.3g} s for all")
    return Answer(first >> 6, stratum, code, (there + back) / 2, max(0.0, trip - inside), root)


def ntp(nanoseconds: int) -> int:
    """A time since 1970 as NTP writes it: seconds since 1900 and their fraction, 32 bits each, without the era."""
    return ((nanoseconds + EPOCH * NANOSECONDS << 32) // NANOSECONDS) % 2**64


def since(later: int, earlier: int) -> float:
    """Seconds between two NTP times, right as long as they are less than 68 years apart, whatever their eras."""
    return ((later - earlier + 2**63) % 2**64 - 2**63) / 2**32
