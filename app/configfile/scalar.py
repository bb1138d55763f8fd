"""What one unquoted or quoted word of YAML means: the core schema of YAML 1.2, and `${VARIABLES}`. Pure."""

import math
import re
from collections.abc import Mapping
from functools import partial

from app.configfile.tree import Scalar

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_VARIABLE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")
_LARGEST = 2**63


def resolve(word: str) -> Scalar:
    """What an unquoted word means (YAML 1.2.2, section 10.3.2). Raises ValueError for numbers nothing can hold."""
    if _NULL.fullmatch(word):
        return None
    if _BOOL.fullmatch(word):
        return word.lower() == "true"
    if _INT.fullmatch(word):
        return _integer(word)
    if _FLOAT.fullmatch(word) or _NOT_FINITE.fullmatch(word):
        number = math.nan if _NOT_FINITE.fullmatch(word) else float(word)
        if not math.isfinite(number):
            raise ValueError(f"{_short(word)} is not a number that can be compared; quote it if text is meant")
        return number
    return word


def substitute(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """`text` with `${VAR}` and `${VAR:-default}` filled in (`$${` is a literal `${`), and what is wrong with it.

    As in a shell, the default holds also where the variable is empty.
    """
    wrong: list[str] = []
    return _VARIABLE.sub(partial(_fill, environ, wrong), text), wrong


def unstorable(text: str) -> bool:
    """Whether it holds what no database text can: NUL, or half of a surrogate pair."""
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def _integer(word: str) -> int:
    base = {"0o": 8, "0x": 16}.get(word[:2], 10)
    number = int(word, base) if len(word) <= 64 else _LARGEST
    if abs(number) >= _LARGEST:
        raise ValueError(f"{_short(word)} is too large a number; quote it if text is meant")
    return number


def _fill(environ: Mapping[str, str], wrong: list[str], found: re.Match[str]) -> str:
    if found[0] == "$${":
        return "${"
    name, default = found["name"], found["default"]
    if name is None:
        wrong.append('"${" is not understood; write ${NAME}, ${NAME:-default}, or $${ where "${" itself is meant')
        return found[0]
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        wrong.append(f"the environment has no {name}; set it, or write ${{{name}:-default}}")
        return found[0]
    return value


def _short(word: str) -> str:
    return word if len(word) <= 24 else f"{word[:20]}... ({len(word)} characters)"
