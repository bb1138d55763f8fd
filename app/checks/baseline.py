"""What a watched thing looked like when somebody called it normal, and how it differs now. Pure.

A baseline maps each thing to how it is, in words that people and `==` understand: `{"tcp/22": "ssh", "tcp/443": "open"}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NAMED = 5  # things named in a sentence; the page shows them all


@dataclass(frozen=True, slots=True)
class Drift:
    """How an observation differs from the baseline: names of things, sorted."""

    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.changed)

    def __len__(self) -> int:
        return len(self.added) + len(self.gone) + len(self.changed)

    def __str__(self) -> str:
        """`new: tcp/8080, tcp/9000; gone: tcp/22`, each list cut after a few names."""
        parts = (("new", self.added), ("gone", self.gone), ("changed", self.changed))
        return "; ".join(f"{word}: {_named(names)}" for word, names in parts if names) or "no differences"


def drift(baseline: Mapping[str, str], observed: Mapping[str, str]) -> Drift:
    """What was added, is gone or has changed since the baseline."""
    both = baseline.keys() & observed.keys()
    return Drift(
        tuple(sorted(observed.keys() - baseline.keys())),
        tuple(sorted(baseline.keys() - observed.keys())),
        tuple(sorted(name for name in both if baseline[name] != observed[name])),
    )


def _named(names: tuple[str, ...]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
