"""A baseline for people: what was accepted, by whom, and all current differences. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import orjson

from app.checks.baseline import drift
from app.checks.model import Baseline

MOST = 40  # differences shown


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference from the baseline."""

    kind: str  # added, gone, changed
    sign: str
    thing: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Drifted:
    """What the page shows. seen: stands for what is looked at, so that nobody accepts what came after it."""

    things: int
    accepted_at: datetime
    accepted_by: str | None
    observed_at: datetime
    lines: tuple[Difference, ...]
    more: int
    seen: str

    @property
    def differs(self) -> bool:
        return bool(self.lines)


def drifted(kept: Baseline) -> Drifted:
    """What the page shows of a baseline."""
    accepted, observed = kept.accepted, kept.observed
    found = drift(accepted, observed)
    lines = (
        *(Difference("added", "+", thing, None, observed[thing]) for thing in found.added),
        *(Difference("gone", "−", thing, accepted[thing], None) for thing in found.gone),
        *(Difference("changed", "~", thing, accepted[thing], observed[thing]) for thing in found.changed),
    )
    more = max(0, len(lines) - MOST)
    who = kept.accepted_at, kept.accepted_by, kept.observed_at
    return Drifted(len(accepted), *who, lines[:MOST], more, digest(observed))


def digest(observed: Mapping[str, str]) -> str:
    """A short word for one observation."""
    return sha256(orjson.dumps(dict(observed), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
