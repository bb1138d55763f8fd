"""The probes there are, for people who choose one."""

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel

from app import plugins
from app.configfile.kinds import probe_spec
from app.errors import Invalid, NotFound


@lru_cache(maxsize=1)
def by_family() -> dict[str, list[tuple[str, str]]]:
    """`family.NAME` with the first sentence of its module, which is read and not run: one that is broken is listed, too."""
    found: dict[str, list[tuple[str, str]]] = {family: [] for family in plugins.FAMILIES}
    for name in plugins.probe_names():
        found[name.partition(".")[0]].append((name, _first_line(name)))
    return found


def spec_of(name: str) -> type[BaseModel]:
    """The fields of a probe. Raises NotFound, and Invalid for a module that cannot be loaded."""
    if name not in plugins.probe_names():
        raise NotFound(f'probe "{name}" not found')
    try:
        return probe_spec(name)
    except Exception as error:  # noqa: BLE001 - anybody may drop a module into the folder
        raise Invalid(f"probe {name} cannot be loaded: {type(error).__name__}: {error}") from None


def about(name: str) -> str:
    """What a probe says of itself."""
    return str(plugins.probe_module(name).measure.doc)


def _first_line(name: str) -> str:
    found = importlib.util.find_spec(f"tasks.{name}")
    try:
        tree = ast.parse(Path(found.origin).read_bytes()) if found and found.origin else ast.Module([], [])
    except (SyntaxError, ValueError):
        return "Not readable: the module is not valid Python."
    return (ast.get_docstring(tree) or "").partition("\n")[0]
