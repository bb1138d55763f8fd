"""A run that somebody asked for, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """One check of a batch."""

    name: str
    task_id: str
    asked_at: datetime
    asked_by: str | None
    done_at: datetime | None
    result: Mapping[str, Any] | None  # as it is shown; None while nothing has answered
    tried: bool  # with other settings than the declared ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A check that somebody wants to try, not answered yet."""

    name: str
    spec: str  # sealed
