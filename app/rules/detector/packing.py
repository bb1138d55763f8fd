"""Numbers as short text and back, exactly: what is packed is what is unpacked."""

import struct
from base64 import b64decode, b64encode
from collections.abc import Sequence


def doubles(numbers: Sequence[float]) -> str:
    """Eight bytes each."""
    return b64encode(struct.pack(f"<{len(numbers)}d", *numbers)).decode()


def from_doubles(text: str) -> tuple[float, ...]:
    """The inverse of `doubles`."""
    raw = b64decode(text)
    return struct.unpack(f"<{len(raw) // 8}d", raw)


def singles(numbers: Sequence[float]) -> str:
    """Four bytes each; exact for numbers that live in an `array('f')`. All zero is an empty text."""
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode() if any(numbers) else ""


def from_singles(text: str, length: int) -> tuple[float, ...]:
    """The inverse of `singles`."""
    return struct.unpack(f"<{length}f", b64decode(text)) if text else (0.0,) * length
