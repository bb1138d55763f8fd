"""Pydantic's errors as reasons about the file: one an error, never one a branch of a union. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.configfile.codes import Code
from app.configfile.finding import nearest
from app.configfile.tree import Node, Path
from app.oncall.notation import Unquoted
from app.reason import Reason
from app.redact import hides
from app.secret import STARS
from app.sentence import lower_first


@dataclass(frozen=True, slots=True)
class Part:
    """What is spoken of: a thing people call `subject`, or the part of it under `at`; `type` is what it should be."""

    subject: str
    node: Node
    type: type[BaseModel]
    at: Path = ()

    def reason(self, code: Code, **facts: Any) -> Reason:
        """A reason about it."""
        return Reason(code, {"subject": self.subject, **facts})


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's, its location split into what stands in the file and what does not."""

    path: Path  # as far as the file goes
    branch: tuple[str, ...]  # the union's alternative it speaks of
    missing: str | None
    at_root: bool  # says only: this alternative is of another shape
    detail: ErrorDetails


def reasons(error: ValidationError, part: Part) -> Iterator[tuple[Path, Reason]]:
    """What is wrong with `part`, each with its place in the part."""
    groups: dict[Path, list[_Error]] = {}
    for one in (_located(detail, part.node) for detail in error.errors(include_url=False)):
        groups.setdefault(_stem(one, part.node) if one.branch else one.path, []).append(one)
    for path, errors in groups.items():
        kept = _nearest_branch(errors) if any(one.branch for one in errors) else errors
        if len({one.branch[0] for one in kept if one.branch}) > 1:
            yield path, _alternatives(kept, path, part)
        else:
            yield from ((one.path, _reason(one, part)) for one in kept if not _follows(one, part))


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
    """The errors of the alternative that was meant: of the right shape, with the fewest errors."""
    by_branch: dict[str, list[_Error]] = {}
    for one in errors:
        by_branch.setdefault(one.branch[0] if one.branch else "", []).append(one)
    meant = [group for group in by_branch.values() if not all(one.at_root for one in group)]
    return min(meant, key=len) if meant else errors


def _follows(error: _Error, part: Part) -> bool:
    """Whether it only follows from other errors: a list is too short because its items were refused."""
    value = part.node.at(*error.path).value
    length = len(value) if isinstance(value, list | dict) else 1
    return error.detail["type"] == "too_short" and length != error.detail.get("ctx", {}).get("actual_length")


def _alternatives(errors: list[_Error], path: Path, part: Part) -> Reason:
    """One reason where the value has the shape of no alternative."""
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
    near = nearest(at.value, words) if isinstance(at.value, str) else None
    return part.reason(Code.WRONG_TYPE, wanted=wanted, found=_found(at, path, part), near=near)


def _reason(error: _Error, part: Part) -> Reason:
    kind, path, detail = error.detail["type"], error.path, error.detail
    at = part.node.at(*path)
    if error.missing is not None:
        return part.reason(Code.MISSING, field=error.missing)
    if kind == "extra_forbidden":
        near = nearest(str(path[-1]), keys_of(part.type, path[:-1]))
        return part.reason(Code.UNKNOWN_KEY, key=path[-1], within=[*part.at, *path[:-1]], near=near)
    if kind in ("value_error", "assertion_error"):
        cause = detail.get("ctx", {}).get("error")
        return (
            _quote(at, path, part)
            if isinstance(cause, Unquoted)
            else part.reason(Code.INVALID, why=str(cause or detail["msg"]))
        )
    if kind in ("literal_error", "enum"):
        return _choice(at, path, part, detail)
    if kind == "string_type" and at.text is not None:
        return _quote(at, path, part)
    if kind in ("tuple_type", "list_type") and isinstance(at.value, str):
        return part.reason(Code.LIST_WANTED, written=STARS if hides(path, part.type) else at.value)
    if kind in _WANTED:
        return part.reason(Code.WRONG_TYPE, wanted=_WANTED[kind], found=_found(at, path, part))
    if kind in _LIMITS:
        word, limit, unit = _LIMITS[kind]
        return part.reason(Code.OUT_OF_BOUNDS, bound=word, limit=detail.get("ctx", {}).get(limit), unit=unit)
    if kind == "too_short":
        return part.reason(Code.NO_ITEMS)
    return part.reason(Code.OTHER, why=lower_first(detail["msg"]))


def _quote(at: Node, path: Path, part: Part) -> Reason:
    if at.value is None:
        return part.reason(Code.EMPTY)
    return part.reason(Code.UNQUOTED, written=None if hides(path, part.type) else at.text)


def _choice(at: Node, path: Path, part: Part, detail: ErrorDetails) -> Reason:
    words = _expected(detail)
    near = nearest(at.value, words) if isinstance(at.value, str) else None
    return part.reason(Code.NOT_ONE_OF, found=_found(at, path, part), known=words, near=near)


def _expected(detail: ErrorDetails) -> list[str]:
    """`'a', 'b' or 'c'` -> [a, b, c]."""
    text = str(detail.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in text.replace(" or ", ", ").split(",")]


def _found(node: Node, path: Path, part: Part) -> str:
    if isinstance(node.value, dict):
        return "a map"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "nothing"
    if hides(path, part.type):
        return STARS
    text = node.text if node.text is not None else str(node.value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f'"{text}"' if isinstance(node.value, str) else text


def keys_of(type_: type[BaseModel], path: Path = ()) -> list[str]:
    """The keys that the YAML form of `type_` knows at a path."""
    schema = _schema(type_)
    return sorted({key for one in _below(schema, schema, path) for key in one.get("properties", ())})


@lru_cache(maxsize=256)
def _schema(type_: type[BaseModel]) -> Mapping[str, Any]:
    return type_.model_json_schema(by_alias=True)


def _below(schema: Mapping[str, Any], root: Mapping[str, Any], path: Path) -> Iterator[Mapping[str, Any]]:
    """Every schema that may hold at `path`: all alternatives."""
    if "$ref" in schema:
        yield from _below(root["$defs"][schema["$ref"].rpartition("/")[2]], root, path)
        return
    for kind in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(kind, ()):
            yield from _below(one, root, path)
    if not path:
        yield schema
    elif isinstance(path[0], int):
        yield from _below(schema.get("items", {}), root, path[1:])
    else:
        further = schema.get("properties", {}).get(path[0], schema.get("additionalProperties"))
        if isinstance(further, dict):
            yield from _below(further, root, path[1:])


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
    "greater_than_equal": ("be at least", "ge", ""),
    "less_than_equal": ("be at most", "le", ""),
    "greater_than": ("be more than", "gt", ""),
    "less_than": ("be less than", "lt", ""),
    "string_too_short": ("have at least", "min_length", " characters"),
    "string_too_long": ("have at most", "max_length", " characters"),
    "too_long": ("have at most", "max_length", " items"),
}
