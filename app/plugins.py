"""The only door to plug-ins: a file in the right folder is one, found by being there."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from app.errors import Invalid
from app.queues import CHECKS

FAMILIES = tuple(str(queue) for queue in CHECKS)
RULE_KINDS = "app.rules.kinds"


def names(package: str) -> list[str]:
    """Names of the modules in `package` (dotted), sorted; nothing is imported but the package itself."""
    folder = importlib.import_module(package)
    return sorted(found.name for found in pkgutil.iter_modules(folder.__path__) if not found.name.startswith("_"))


def exists(package: str, name: str) -> bool:
    """Whether `package` has this plug-in. The folder is read only for one that was not imported yet: each text asks."""
    return not name.startswith("_") and (f"{package}.{name}" in sys.modules or name in names(package))


@cache
def module(package: str, name: str) -> ModuleType:
    """One plug-in's module, imported on first use. Raises KeyError when there is no such file."""
    if name not in names(package):
        raise KeyError(name)
    return importlib.import_module(f"{package}.{name}")


def probe_names() -> list[str]:
    """`family.NAME` of every probe there is."""
    return [f"{family}.{name}" for family in FAMILIES for name in names(f"tasks.{family}")]


def is_probe(name: str) -> bool:
    """Whether there is a probe `family.NAME`."""
    family, _, short = name.partition(".")
    return family in FAMILIES and exists(f"tasks.{family}", short)


def probe_module(name: str) -> ModuleType:
    """The module of probe `family.NAME`.

    Raises KeyError when there is no such probe, and Invalid, with its file and line, when it cannot be imported: it may be
    anybody's.
    """
    family, _, short = name.partition(".")
    if family not in FAMILIES:
        raise KeyError(name)
    try:
        return module(f"tasks.{family}", short)
    except (Exception, SystemExit) as error:
        if isinstance(error, KeyError) and short not in names(f"tasks.{family}"):
            raise
        raise Invalid(f"{_place(name, error)}: {type(error).__name__}: {_reason(error)}") from error


def probe_file(name: str) -> str:
    """Where probe `family.NAME` stands, from the top of the tree."""
    return f"tasks/{name.replace('.', '/')}.py"


def _place(name: str, error: BaseException) -> str:
    """The probe's file, with the line of its own at which the error came."""
    file = probe_file(name)
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if Path(frame.filename).as_posix().endswith(f"/{file}")]
    if isinstance(error, SyntaxError) and str(error.filename).endswith(file):
        lines.append(error.lineno)
    return f"{file}:{lines[-1]}" if lines else file


def _reason(error: BaseException) -> str:
    return str(error.msg) if isinstance(error, SyntaxError) else " ".join(str(error).split())


def each(package: str) -> Iterator[tuple[str, ModuleType]]:
    """Every plug-in of `package`, imported."""
    for name in names(package):
        yield name, module(package, name)
