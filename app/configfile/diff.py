"""What would change between two configurations in their stored form, field by field, secrets starred. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from app.catalog.model import Declaration
from app.configfile.model import subject
from app.configfile.sections import KINDS, LISTS
from app.configfile.tree import written
from app.redact import shown

LONGEST = 80  # characters of a value that are shown


class Action(StrEnum):
    """What happens to a thing."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; `details` read `every: 30s -> 1m`. `before` and `after` are what is stored, secrets and all."""

    action: Action
    kind: str
    name: str
    details: tuple[str, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def subject(self) -> str:
        """What people call it."""
        return subject(self.kind, self.name)

    def record(self) -> dict[str, str]:
        """What a version remembers of it; no secrets."""
        return {"action": self.action.value, "kind": self.kind, "name": self.name, "detail": "; ".join(self.details)}

    def __str__(self) -> str:
        detail = f": {'; '.join(self.details)}" if self.details else ""
        return f"{_SIGNS[self.action]} {self.subject}{detail}"


_SIGNS = {Action.ADDED: "+", Action.CHANGED: "~", Action.REMOVED: "-"}


Specs = Mapping[str, Mapping[str, Any]]
Hide = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]  # kind and stored form -> the same with its secrets starred


def _by_name(_: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(shown(spec))


def diff(before: Sequence[Declaration], after: Sequence[Declaration], hide: Hide = _by_name) -> list[Change]:
    """Every difference, by kind in the order of the documentation; list items are matched by what they say."""
    found: list[Change] = []
    for kind in KINDS:
        old = {one.name: one.spec for one in before if one.kind == kind}
        new = {one.name: one.spec for one in after if one.kind == kind}
        found += _listed(kind, old, new, hide) if kind in LISTS else _named(kind, old, new, hide)
    return found


def _named(kind: str, old: Specs, new: Specs, hide: Hide) -> Iterator[Change]:
    for name, spec in new.items():
        if name not in old:
            yield Change(Action.ADDED, kind, name, (), None, spec)
        elif _text(spec) != _text(old[name]):
            yield _changed(kind, name, old[name], spec, hide)
    for name, spec in old.items():
        if name not in new:
            yield Change(Action.REMOVED, kind, name, (), spec, None)


def _listed(kind: str, old: Specs, new: Specs, hide: Hide) -> Iterator[Change]:
    """Items in order: one put in front is one addition, not a change of all that follow."""
    olds, news = list(old.items()), list(new.items())
    matcher = SequenceMatcher(None, [_text(spec) for _, spec in olds], [_text(spec) for _, spec in news], autojunk=False)
    for _, start, end, to, until in (code for code in matcher.get_opcodes() if code[0] != "equal"):
        pairs = min(end - start, until - to)
        for (_, before), (name, after) in zip(olds[start : start + pairs], news[to : to + pairs], strict=True):
            yield _changed(kind, name, before, after, hide)
        for name, after in news[to + pairs : until]:
            yield Change(Action.ADDED, kind, name, tuple(_lines(hide(kind, after))), None, after)
        for name, before in olds[start + pairs : end]:
            yield Change(Action.REMOVED, kind, name, tuple(_lines(hide(kind, before))), before, None)


def _changed(kind: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any], hide: Hide) -> Change:
    starred = (dict(_leaves(hide(kind, before))), dict(_leaves(hide(kind, after))))
    return Change(Action.CHANGED, kind, name, tuple(_fields(before, after, *starred)), before, after)


Leaves = Mapping[tuple[str | int, ...], Any]


def _fields(before: Mapping[str, Any], after: Mapping[str, Any], shown_old: Leaves, shown_new: Leaves) -> Iterator[str]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for path in dict.fromkeys([*old, *new]):
        if path not in new:
            yield f"{written(path)}: {_shown(shown_old[path])} -> (not set)"
        elif path not in old:
            yield f"{written(path)}: (not set) -> {_shown(shown_new[path])}"
        elif old[path] != new[path]:
            was, now = _shown(shown_old[path]), _shown(shown_new[path])
            yield f"{written(path)}: {f'{was} -> {now}' if was != now else 'changed'}"
    if list(old) != list(new) and set(old) == set(new):
        yield "the order changed"


def _lines(spec: Mapping[str, Any]) -> Iterator[str]:
    for path, value in _leaves(spec):
        yield f"{written(path)}: {_shown(value)}"


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value with its path; a list of plain words is one value."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, (*path, key))
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping | list | tuple) for one in value):
        for index, one in enumerate(value):
            yield from _leaves(one, (*path, index))
    else:
        yield path, value


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        text = ", ".join(str(one) for one in value) or "(none)"
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _text(spec: Mapping[str, Any]) -> str:
    """A canonical form that keeps the order of keys: contacts are used as they are written."""
    return json.dumps(spec)
