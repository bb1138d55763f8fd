"""One declared thing: parsed into its stage's type, and its own fields into that of its probe or kind. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from app.configfile.codes import Code
from app.configfile.kinds import Form
from app.configfile.reasons import Part, reasons
from app.configfile.tree import Node, Path, plain
from app.reason import Reason

Wrong = list[tuple[Path, Reason]]


def parsed(form: Form, node: Node, subject: str) -> tuple[BaseModel | None, Wrong]:
    """The thing `node` is, None when anything is wrong with it, and what is wrong, each with its place in `node`."""
    wrong: Wrong = list(form.wrong)
    value = _validated(form.type_, node, subject, wrong, ()) if form.type_ is not None else None
    if form.options is not None:
        _validated(form.options, _options(form, node), subject, wrong, form.options_at)
    return (None if wrong else value), wrong


def _options(form: Form, node: Node) -> Node:
    """The fields that belong to the probe or channel kind."""
    if form.options_at:
        return node.child(form.options_at[0]) or Node({}, node.line)
    assert isinstance(node.value, dict)
    return Node({key: one for key, one in node.value.items() if key != "kind"}, node.line)


def _validated(type_: type[BaseModel], node: Node, subject: str, wrong: Wrong, at: Path) -> BaseModel | None:
    if node.value is None:
        node = Node({}, node.line)
    if not isinstance(node.value, dict):
        return None  # the type around it has said so
    part = Part(subject, node, type_, at)
    try:
        value = type_.model_validate(plain(node))
    except ValidationError as error:
        wrong += [((*at, *path), reason) for path, reason in reasons(error, part)]
        return None
    for path, code, facts in _misread(value.model_dump(by_alias=True), node):
        wrong.append(((*at, *path), part.reason(code, **facts)))
    return value


def _misread(value: Any, node: Node, path: Path = ()) -> Iterator[tuple[Path, Code, dict[str, Any]]]:
    """Where pydantic was too kind: yes or no taken for a number, a number for a date or a length."""
    if isinstance(node.value, dict) and isinstance(value, dict):
        for key, child in node.value.items():
            yield from _misread(value.get(key), child, (*path, key))
    elif isinstance(node.value, list) and isinstance(value, list | tuple):
        for index, (one, child) in enumerate(zip(value, node.value, strict=False)):
            yield from _misread(one, child, (*path, index))
    elif isinstance(node.value, bool) and isinstance(value, int | float) and not isinstance(value, bool):
        yield path, Code.WRONG_TYPE, {"wanted": "a number", "found": node.text}
    elif _is_number(node.value) and isinstance(value, date | time | timedelta):
        wanted = next(words for type_, words in _WRITTEN.items() if isinstance(value, type_))
        yield path, Code.WRONG_TYPE, {"wanted": wanted, "found": f'"{node.value}"' if node.text is None else node.text}


_WRITTEN = {
    datetime: "a date and time like 2026-11-02T09:00:00Z",
    date: "a date like 2026-11-02",
    time: "a time like 09:00",
    timedelta: "a duration like 00:05:00",
}
_NUMBER = re.compile(r"\s*[-+]?[\d_]*\.?[\d_]*(e[-+]?\d+)?\s*", re.ASCII | re.IGNORECASE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None)
