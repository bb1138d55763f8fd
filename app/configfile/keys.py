"""The right words at a place of a thing: the keys its type knows there, through every alternative. Pure."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

Path = tuple[str | int, ...]


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
