"""Numbers as short text and back, exactly: what is packed is what is unpacked."""

import struct
from array import array
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import ClassVar, Protocol


class Packable(Protocol):
    """State that is so many attributes (`NUMBERS`) and so many arrays of single precision (`ARRAYS`)."""

    NUMBERS: ClassVar[tuple[str, ...]]

    @property
    def arrays(self) -> "Sequence[array[float]]":
        """In a fixed order; each keeps its length."""


def pack(parts: Sequence[Packable]) -> tuple[str, str]:
    """The numbers of all parts, eight bytes each, and their arrays, four bytes each, one after the other.

    An array that is all zero (a season not begun) costs one byte.
    """
    numbers = [getattr(part, name) for part in parts for name in part.NUMBERS]
    full = bytearray()
    for part in parts:
        for one in part.arrays:
            full += b"\1" + struct.pack(f"<{len(one)}f", *one) if any(one) else b"\0"
    return b64encode(struct.pack(f"<{len(numbers)}d", *numbers)).decode(), b64encode(full).decode()


def unpack(parts: Sequence[Packable], numbers: str, arrays: str) -> None:
    """The inverse of `pack`, into parts of the same kinds in the same order."""
    names = [(part, name) for part in parts for name in part.NUMBERS]
    for (part, name), number in zip(names, struct.unpack(f"<{len(names)}d", b64decode(numbers)), strict=True):
        setattr(part, name, number)
    raw, offset = b64decode(arrays), 0
    for part in parts:
        for one in part.arrays:
            offset += 1
            if raw[offset - 1]:
                one[:] = array("f", struct.unpack_from(f"<{len(one)}f", raw, offset))
                offset += 4 * len(one)
