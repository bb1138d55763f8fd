"""What a source sends, without a request around it."""

from collections.abc import Sequence
from datetime import datetime

from app import line
from app.signals.model import Call, Signal


def intake(source: str, signals: Sequence[Signal], now: datetime | None = None) -> None:
    """Take these as one call."""
    line.intake([Call(source, signals, b"{}", "")], now)
