"""User-supplied patterns of probes: RE2, so that none can backtrack; a wrong one is refused when it is read."""

from functools import lru_cache
from typing import Annotated

import re2
from pydantic import AfterValidator, Field

QUIET = re2.Options()
QUIET.log_errors = False


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> "re2._Regexp[str]":
    """The pattern, ready. Raises ValueError that says what is wrong with it."""
    try:
        return re2.compile(pattern, QUIET)
    except re2.error as error:
        raise ValueError(f"not an RE2 pattern: {error_text(error)} (RE2 has no look-around and no back-references)") from None


def error_text(error: Exception) -> str:
    """RE2's error message as text; it comes as bytes."""
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _check(pattern: str) -> str:
    compiled(pattern)
    return pattern


Pattern = Annotated[str, Field(max_length=1024), AfterValidator(_check)]
