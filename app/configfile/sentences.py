"""Pydantic's errors as sentences about the file: one a mistake, never one a branch of a union. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.configfile.keys import Path, keys_of
from app.configfile.mistake import hint
from app.configfile.tree import Node, written
from app.redact import is_secret
from app.secret import STARS
from app.sentence import lower_first


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence and the place it is about."""

    path: Path
    sentence: str


@dataclass(frozen=True, slots=True)
class Part:
    """What is spoken of: a thing people call `subject`, or the part of it under `at`; `type` is what it should be."""

    subject: str
    node: Node
    type: type[BaseModel]
    at: Path = ()

    def called(self, path: Path) -> str:
        """What people call the value at `path` of this part."""
        whole = (*self.at, *path)
        return f"{written(whole)} of {self.subject}" if whole else self.subject


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's, its location split into what stands in the file and what does not."""

    path: Path  # as far as the file goes
    branch: tuple[str, ...]  # the union's alternative it speaks of
    missing: str | None
    at_root: bool  # says only: this alternative is of another shape
    detail: ErrorDetails


def sentences(error: ValidationError, part: Part) -> Iterator[Said]:
    """What is wrong with `part`, each with its place in the part."""
    groups: dict[Path, list[_Error]] = {}
    for one in (_located(detail, part.node) for detail in error.errors(include_url=False)):
        groups.setdefault(_stem(one, part.node) if one.branch else one.path, []).append(one)
    for path, errors in groups.items():
        kept = _nearest_branch(errors) if any(one.branch for one in errors) else errors
        if len({one.branch[0] for one in kept if one.branch}) > 1:
            yield Said(path, _alternatives(kept, path, part))
        else:
            yield from (Said(one.path, _sentence(one, part)) for one in kept if not _follows(one, part))


_OTHER_SHAPE = {
    "model_type",
    "dict_type",
    "string_type",
    "literal_error",
    "enum",
    "tuple_type",
    "list_type",
    "bool_type",
    "none_required",
}


def _located(detail: ErrorDetails, node: Node) -> _Error:
    path: list[str | int] = []
    branch: list[str] = []
    missing = None
    at, last = node, len(detail["loc"]) - 1
    for index, step in enumerate(detail["loc"]):
        child = at.child(step)
        if child is not None:
            path.append(step)
            at = child
        elif index == last and detail["type"] == "missing":
            missing = str(step)
        elif isinstance(step, str) and step != "[key]":
            branch.append(step)
    at_root = bool(branch) and missing is None and detail["loc"][last] == branch[-1] and detail["type"] in _OTHER_SHAPE
    return _Error(tuple(path), tuple(branch), missing, at_root, detail)


def _stem(error: _Error, node: Node) -> Path:
    """The path up to where the union begins."""
    at, stem = node, 0
    for step in error.detail["loc"]:
        child = at.child(step)
        if child is None:
            break
        at, stem = child, stem + 1
    return error.path[:stem]


def _nearest_branch(errors: list[_Error]) -> list[_Error]:
    """The errors of the alternative that was meant: of the right shape, with the fewest mistakes."""
    by_branch: dict[str, list[_Error]] = {}
    for one in errors:
        by_branch.setdefault(one.branch[0] if one.branch else "", []).append(one)
    meant = [group for group in by_branch.values() if not all(one.at_root for one in group)]
    return min(meant, key=len) if meant else errors


def _follows(error: _Error, part: Part) -> bool:
    """Whether it only follows from other mistakes: a list is too short because its items were refused."""
    value = part.node.at(*error.path).value
    length = len(value) if isinstance(value, list | dict) else 1
    return error.detail["type"] == "too_short" and length != error.detail.get("ctx", {}).get("actual_length")


def _alternatives(errors: list[_Error], path: Path, part: Part) -> str:
    """One sentence where the value has the shape of no alternative."""
    shapes, words = [], []
    for one in errors:
        if one.detail["type"] in ("literal_error", "enum"):
            words += _expected(one.detail)
        else:
            shapes.append(_SHAPES.get(one.detail["type"], "something else"))
    wanted = " or ".join(dict.fromkeys([*(f'"{word}"' for word in words), *shapes]))
    at = part.node.at(*path)
    if "text" in shapes and at.text is not None and at.value is not None:
        return _quote(at, path, part)
    near = hint(at.value, words) if isinstance(at.value, str) else ""
    return f"{part.called(path)} must be {wanted}, not {_found(at, path)}{near}"


def _sentence(error: _Error, part: Part) -> str:
    kind, path, detail = error.detail["type"], error.path, error.detail
    at, what = part.node.at(*path), part.called(path)
    if error.missing is not None:
        return f'{what} lacks "{error.missing}"'
    if kind == "extra_forbidden":
        known = keys_of(part.type, path[:-1])
        return f'unknown key "{path[-1]}" in {part.called(path[:-1])}{hint(str(path[-1]), known)}'
    if kind in ("value_error", "assertion_error"):
        message = str(detail.get("ctx", {}).get("error", detail["msg"]))
        return _quote(at, path, part) if "is not text; quote it: " in message else f"{what}: {message}"
    if kind in ("literal_error", "enum"):
        return _choice(at, path, what, detail)
    if kind == "string_type" and at.text is not None:
        return _quote(at, path, part)
    if kind in ("tuple_type", "list_type") and isinstance(at.value, str):
        return f"{what} must be a list; write [{at.value}]"
    if kind in _WANTED:
        return f"{what} must be {_WANTED[kind]}, not {_found(at, path)}"
    if kind in _LIMITS:
        word, limit = _LIMITS[kind]
        return f"{what} must {word} {detail.get('ctx', {}).get(limit)}"
    if kind == "too_short":
        return f"{what} must not be empty"
    return f"{what}: {lower_first(detail['msg'])}"


def _quote(at: Node, path: Path, part: Part) -> str:
    what = part.called(path)
    if at.value is None:
        return f"{what} is empty; write something, or leave the key out"
    if is_secret(path):
        return f"{what} is text, but a bare number is not; quote it"
    return f'{what} is text, but {at.text} is not; quote it: "{at.text}"'


def _choice(at: Node, path: Path, what: str, detail: ErrorDetails) -> str:
    words = _expected(detail)
    near = hint(at.value, words) if isinstance(at.value, str) else ""
    return f"{what} cannot be {_found(at, path)}{near or '; write one of ' + ', '.join(words)}"


def _expected(detail: ErrorDetails) -> list[str]:
    """`'a', 'b' or 'c'` -> [a, b, c]."""
    text = str(detail.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in text.replace(" or ", ", ").split(",")]


def _found(node: Node, path: Path) -> str:
    if isinstance(node.value, dict):
        return "a map"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "nothing"
    if is_secret(path):
        return STARS
    text = node.text if node.text is not None else str(node.value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(node.value, str) else text


_SHAPES = {
    "model_type": "a map",
    "dict_type": "a map",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "bool_type": "true or false",
    "none_required": "nothing",
}
_WANTED = {
    **_SHAPES,
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "float_parsing": "a number",
    "date_type": "a date like 2026-11-02",
    "date_parsing": "a date like 2026-11-02",
    "date_from_datetime_parsing": "a date like 2026-11-02",
    "date_from_datetime_inexact": "a date like 2026-11-02",
    "mapping_type": "a map",
    "model_attributes_type": "a map",
}
_LIMITS = {
    "greater_than_equal": ("be at least", "ge"),
    "less_than_equal": ("be at most", "le"),
    "greater_than": ("be more than", "gt"),
    "less_than": ("be less than", "lt"),
    "string_too_short": ("have characters: at least", "min_length"),
    "string_too_long": ("have characters: at most", "max_length"),
    "too_long": ("have items: at most", "max_length"),
}
