"""Rows taken each by itself, because one of them cannot be taken: somebody holds it, or something is wrong with it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.errors import Busy, Unavailable


@dataclass(slots=True)
class Apart:
    """What became of them, by id."""

    seen: int = 0
    held: list[int] = field(default_factory=list)
    broken: dict[int, Exception] = field(default_factory=dict)


def each(ids: Iterable[int], take: Callable[[int], int]) -> Apart:
    """Take each, whatever is wrong with another; `take` says how much it looked at. Raises Unavailable: then none can be."""
    apart = Apart()
    for id_ in ids:
        try:
            apart.seen += take(id_)
        except Busy:
            apart.held.append(id_)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it is that one's
            apart.broken[id_] = error
    return apart
