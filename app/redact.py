"""What of a setting is secret, and settings without it. Pure.

A field is secret by its type (SecretStr) or its name; a key of a map that people fill in (headers, parameters) by wider words;
in any text, the parts of URLs that `app.secret` says.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr

from app.secret import STARS, Change, in_text, is_secret_key, is_secret_name

SEALED = re.compile(r"~sealed~([a-z0-9._-]*)~([A-Za-z0-9_=-]+)~")  # a secret at rest: whose key opens it, and what it opens
_MAPS = frozenset({"headers", "header", "parameters", "params", "query", "environment", "env", "cookies"})

Types = frozenset[Any]
_UNTYPED: Types = frozenset()
_FREE: Types = frozenset({dict, str})  # a map whose keys people choose
_TEXTS: Types = frozenset({str, SecretStr, Any, object})


def is_secret(path: Sequence[str | int]) -> bool:
    """Whether the field at `path` is secret by a name on the way to it."""
    return any(isinstance(step, str) and is_secret_name(step) for step in path)


def hides(path: Sequence[str | int], type_: type[BaseModel]) -> bool:
    """Whether what stands at `path` of a `type_` may be secret, also as the wrong thing: headers written as one text."""
    types, secret = _followed(path, type_)
    filled_in = bool(path) and str(path[-1]).lower() in _MAPS
    return secret or filled_in or (dict in types and SecretStr in types)


def shown(value: Any, path: Sequence[str | int] = (), type_: type[BaseModel] | None = None) -> Any:
    """`value` with its secrets starred. path: where it stands; type_: what it is parsed into, if that is known."""
    return _walked(value, *_followed(path, type_), lambda _: STARS, lambda _: False, _sealed_starred)


def rewritten(
    value: Any, change: Change, type_: type[BaseModel] | None = None, also: Callable[[str], bool] = lambda _: False
) -> Any:
    """`value` with each secret part of its texts changed. also: whole texts that count as secret wherever they stand."""
    return _walked(value, _types(type_), False, change, also, lambda text: text)


def _sealed_starred(text: str) -> str:
    return SEALED.sub(STARS, text)


def _walked(
    value: Any, types: Types, secret: bool, change: Change, also: Callable[[str], bool], last: Callable[[str], str]
) -> Any:
    if isinstance(value, Mapping):
        return {key: _walked(one, *_below(types, secret, str(key)), change, also, last) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_walked(one, types, secret, change, also, last) for one in value]
    if isinstance(value, str):
        return last(change(value) if secret or also(value) else in_text(value, change))
    return change(str(value)) if secret and isinstance(value, int | float) and not isinstance(value, bool) else value


def _followed(path: Sequence[str | int], type_: type[BaseModel] | None) -> tuple[Types, bool]:
    """What may stand at `path`, and whether it is secret."""
    types, secret = _types(type_), False
    for step in path:
        if isinstance(step, str):
            types, secret = _below(types, secret, step)
    return types, secret


def _below(types: Types, secret: bool, key: str) -> tuple[Types, bool]:
    """What may stand under `key`, and whether it is secret."""
    fields = [
        field
        for model in types
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items()
        if key in (name, field.alias)
    ]
    if fields:
        found = frozenset().union(*(_flat(cast(Hashable, field.annotation)) for field in fields))
        return found, SecretStr in found or (bool(found & _TEXTS) and is_secret_name(key))
    if dict not in types and not types & _TEXTS:  # nothing is known of it
        return (_FREE if key.lower() in _MAPS else _UNTYPED), secret or is_secret_name(key)
    return types, secret or (dict in types and bool(types & _TEXTS) and is_secret_key(key))


def _types(type_: type[BaseModel] | None) -> Types:
    return _UNTYPED if type_ is None else frozenset({type_})


@lru_cache(maxsize=1024)
def _flat(annotation: Hashable) -> Types:
    """Every type in an annotation: those of a union, of a list's items, of a map's values."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return frozenset({Literal})
    if not inner:
        return frozenset({annotation})
    if hasattr(annotation, "__metadata__"):
        return _flat(inner[0])
    if get_origin(annotation) in (dict, Mapping):
        return _flat(inner[1]) | {dict}
    return frozenset().union(*(_flat(one) for one in inner if one is not Ellipsis))
