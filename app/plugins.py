"""The only door to plug-ins: a file in the right folder is one, found by being there."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType

FAMILIES = ("health", "performance", "business", "security")


def names(package: str) -> list[str]:
    """Names of the modules in `package` (dotted), sorted; nothing is imported but the package itself."""
    folder = importlib.import_module(package)
    return sorted(found.name for found in pkgutil.iter_modules(folder.__path__) if not found.name.startswith("_"))


@cache
def module(package: str, name: str) -> ModuleType:
    """One plug-in's module, imported on first use. Raises KeyError when there is no such file."""
    if name not in names(package):
        raise KeyError(name)
    return importlib.import_module(f"{package}.{name}")


def probe_names() -> list[str]:
    """`family.NAME` of every probe there is."""
    return [f"{family}.{name}" for family in FAMILIES for name in names(f"tasks.{family}")]


def probe_module(name: str) -> ModuleType:
    """The module of probe `family.NAME`. Raises KeyError when there is no such probe."""
    family, _, short = name.partition(".")
    if family not in FAMILIES:
        raise KeyError(name)
    return module(f"tasks.{family}", short)


def each(package: str) -> Iterator[tuple[str, ModuleType]]:
    """Every plug-in of `package`, imported."""
    for name in names(package):
        yield name, module(package, name)
