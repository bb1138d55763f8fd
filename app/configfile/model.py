"""A configuration as read: every declared thing with its place, its parsed form and what it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from app.configfile.finding import Finding
from app.configfile.sections import LISTS
from app.configfile.tree import Node

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Item:
    """One declared thing. `value` is None while it has errors; `active` is False while it is only planned."""

    kind: str
    name: str
    file: str
    node: Node
    value: BaseModel | None
    active: bool = True

    @property
    def line(self) -> int:
        return self.node.line

    @property
    def subject(self) -> str:
        """What people call it: `rule "db-latency"`, `route 3`, `platform`."""
        return subject(self.kind, self.name)


def subject(kind: str, name: str) -> str:
    """What people call a thing of this kind and name."""
    if kind in LISTS:
        return f"{kind} {int(name)}"
    return kind if name in (kind, "off") else f'{kind} "{name}"'


Items = Mapping[str, Mapping[str, Item]]


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without an error: items by kind and name, in declared order."""

    items: Items

    def of(self, kind: str, type_: type[T]) -> dict[str, T]:
        """What is active of one kind, by name."""
        return {
            name: item.value
            for name, item in self.items.get(kind, {}).items()
            if item.active and isinstance(item.value, type_)
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder says. `config` is None when there is an error; `files` are the texts, variables not filled in."""

    config: Config | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    files: Mapping[str, str]
    counts: Mapping[str, int]
    unreadable: bool = False  # a file or a folder could not be read: that is an error too, but not one of the text
