"""A sign of life, and how old it may be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FRESH = {"pager": 5.0, "worker": 30.0, "beat": 30.0}  # seconds after which a process of that kind counts as gone
EVERY = 10.0  # seconds between two signs of a worker or beat


@dataclass(frozen=True, slots=True)
class Seen:
    """One process, and how long ago it was last heard of, in seconds."""

    kind: str
    name: str
    age: float
    detail: Mapping[str, Any]

    @property
    def alive(self) -> bool:
        return self.age <= FRESH.get(self.kind, EVERY)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that a worker takes from; none of another process."""
        return tuple(self.detail.get("queues", ())) if self.kind == "worker" else ()


def served(seen: Iterable[Seen]) -> frozenset[str]:
    """The queues that a living worker takes from. The one answer to that question."""
    return frozenset(queue for one in seen if one.alive for queue in one.queues)
