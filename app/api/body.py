"""A request body as it streams in: limited in size, decompressed if needed, read to its end.

`Content-Encoding: gzip` (also `x-gzip`) is decompressed in pieces, at most `BODY` bytes, so that a zip bomb cannot fill memory.
"""

import asyncio
import zlib
from contextlib import suppress

from starlette.types import Message, Receive, Scope

from app.errors import Garbled, TooLarge, Unavailable, UnknownEncoding
from app.signals.payload import BODY

READ_AWAY, TIMEOUT = 8 * BODY, 5.0  # bytes and seconds of a refused body
GZIP = ("gzip", "x-gzip")  # RFC 9110, 8.4.1.3: the same
MEMBERS = 1_000  # of one gzip body; log shippers join them, and each costs a decompressor
SMALL, HELD = 64 << 10, 192 << 20  # bytes: small bodies always pass; larger ones only while all unfinished ones fit in so much
BROKEN = "the body does not match its Content-Encoding: {}"


class Body:
    """What the application receives of one request."""

    held = 0  # bytes of all requests under way in this process

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        self.announced = int(announced) if announced.isdigit() else 0
        self.coming = bool(self.announced) or b"transfer-encoding" in headers
        self.asks_first = b"expect" in headers  # such a sender sends nothing when the answer comes before "100 Continue"
        self.size, self.source = 0, receive
        self.codings = codings(scope) if self.coming or b"content-length" in headers else []
        self.packed = Gunzip() if self.codings and self.codings[0] in GZIP else None

    async def receive(self) -> Message:
        """Raises TooLarge as soon as more than the limit is announced or received, UnknownEncoding, Garbled."""
        if self.announced > BODY:
            raise TooLarge(f"the body is {self.announced} bytes; at most {BODY} are allowed")
        if len(self.codings) > 1 or (self.codings and self.packed is None):
            raise UnknownEncoding(
                f'Content-Encoding "{", ".join(self.codings)[:100]}" is not supported; send gzip or no encoding'
            )
        message = await self._next()
        if self.size > BODY:
            raise TooLarge(f"the body is larger than {BODY} bytes")
        if self.size > SMALL and Body.held > HELD:
            raise Unavailable("too many large requests at once; retry in a moment")
        if self.packed is None or message["type"] != "http.request":
            return message
        return {**message, "body": self.packed.unpack(message.get("body", b""), not self.coming)}

    async def read_away(self) -> None:
        """Discard the rest: closing while the client sends resets the connection and loses the response (RFC 9112, 9.6)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                while self.coming and not self.asks_first and self.size < READ_AWAY:
                    await self._next()

    def done(self) -> None:
        """The request is over."""
        Body.held -= self.size

    def _holds(self, more: int) -> None:
        self.size += more
        Body.held += more

    async def _next(self) -> Message:
        message = await self.source()
        self._holds(len(message.get("body", b"")))
        self.coming = bool(message.get("more_body", False))
        return message


def codings(scope: Scope) -> list[str]:
    """The content codings, in the order they were applied, without `identity`."""
    said = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding")
    return [coding for one in said.split(",") if (coding := one.strip().lower()) not in ("", "identity")]


class Gunzip:
    """A gzip stream (RFC 1952) of one or more members, read as it arrives."""

    def __init__(self) -> None:
        self.member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.members, self.read, self.made = 1, 0, 0

    def unpack(self, data: bytes, last: bool) -> bytes:
        """Decompress `data`; `last`: nothing follows. Raises Garbled, and TooLarge beyond `BODY` bytes in total."""
        out = []
        self.read += len(data)
        while data:
            if self.member.eof:
                self._next_member()
            try:
                out.append(self.member.decompress(data, BODY + 1 - self.made))
            except zlib.error as error:
                raise Garbled(BROKEN.format(str(error).rpartition(": ")[2])) from None
            self.made += len(out[-1])
            if self.made > BODY:
                raise TooLarge(f"the body is larger than {BODY} bytes when decompressed")
            data = self.member.unused_data if self.member.eof else self.member.unconsumed_tail
        if last and not self.member.eof:
            raise Garbled(BROKEN.format("it is truncated" if self.read else "it is empty"))
        return b"".join(out)

    def _next_member(self) -> None:
        self.members += 1
        if self.members > MEMBERS:
            raise TooLarge(f"the body contains more than {MEMBERS} gzip members")
        self.member = zlib.decompressobj(zlib.MAX_WBITS | 16)
