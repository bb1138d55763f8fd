"""What would change between two configurations in their stored form, field by field, secrets starred. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from app.catalog.matcher import parse_matchers
from app.catalog.model import Declaration
from app.configfile.model import subject
from app.configfile.sections import KINDS, LISTS
from app.configfile.tree import Path, written
from app.redact import shown

LONGEST = 80  # characters of a value that are shown


class Action(StrEnum):
    """What happens to a thing."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, `()` where only the order does; values as people may see them, None where there is none."""

    path: Path
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs, and in which fields; `before` and `after` are what is stored, secrets and all."""

    action: Action
    kind: str
    name: str
    fields: tuple[Difference, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def subject(self) -> str:
        """What people call it."""
        return subject(self.kind, self.name)

    @property
    def details(self) -> list[str]:
        """The fields in words: `every: 30s -> 1m`; of what is new or gone, what it says."""
        return [_in_words(one, self.action) for one in self.fields]

    def record(self) -> dict[str, str]:
        """What is said of it to programs; no secrets."""
        return {"action": self.action.value, "kind": self.kind, "name": self.name, "detail": "; ".join(self.details)}

    def remembered(self) -> dict[str, str]:
        """What a version remembers of it: of a route also what it matched before and after, a line each."""
        if self.kind != "route":
            return self.record()
        alternatives = dict.fromkeys(_matched(spec) for spec in (self.before, self.after) if spec is not None)
        return self.record() | {"matched": "\n".join(alternatives)}

    def __str__(self) -> str:
        detail = f": {'; '.join(self.details)}" if self.details else ""
        return f"{_SIGNS[self.action]} {self.subject}{detail}"


def _matched(spec: Mapping[str, Any]) -> str:
    return ", ".join(str(one) for text in spec.get("match", ()) for one in parse_matchers(text))


def _in_words(one: Difference, action: Action) -> str:
    if not one.path:
        return "order changed"
    if action is not Action.CHANGED:
        return f"{written(one.path)}: {one.after if one.before is None else one.before}"
    if one.before == one.after:
        return f"{written(one.path)}: changed"  # what is shown of it is the same
    before, after = ("(not set)" if value is None else value for value in (one.before, one.after))
    return f"{written(one.path)}: {before} -> {after}"


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
            yield Change(
                Action.ADDED,
                kind,
                name,
                _of_one(hide(kind, after), Action.ADDED),
                None,
                after,
            )
        for name, before in olds[start + pairs : end]:
            yield Change(
                Action.REMOVED,
                kind,
                name,
                _of_one(hide(kind, before), Action.REMOVED),
                before,
                None,
            )


def _changed(kind: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any], hide: Hide) -> Change:
    starred = (dict(_leaves(hide(kind, before))), dict(_leaves(hide(kind, after))))
    return Change(Action.CHANGED, kind, name, tuple(_fields(before, after, *starred)), before, after)


Leaves = Mapping[Path, Any]


def _fields(before: Mapping[str, Any], after: Mapping[str, Any], shown_old: Leaves, shown_new: Leaves) -> Iterator[Difference]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    for path in dict.fromkeys([*old, *new]):
        if path not in new:
            yield Difference(path, _shown(shown_old[path]), None)
        elif path not in old:
            yield Difference(path, None, _shown(shown_new[path]))
        elif old[path] != new[path]:
            yield Difference(path, _shown(shown_old[path]), _shown(shown_new[path]))
    if list(old) != list(new) and set(old) == set(new):
        yield Difference(())


def _of_one(spec: Mapping[str, Any], action: Action) -> tuple[Difference, ...]:
    """What a thing says that is new, or gone."""
    said = [(path, _shown(value)) for path, value in _leaves(spec)]
    return tuple(Difference(path, None, one) if action is Action.ADDED else Difference(path, one) for path, one in said)


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
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
