"""What is known of a place that checks run at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProberNews:
    """A place that was cut off, or is back."""

    location: str  # empty: where the stack runs
    answers: Mapping[str, bool]  # by reference; empty where nobody asks any more
    online_since: datetime | None  # None: it is cut off
