"""How a command ends: what it raised becomes one line on stderr that says what to do, and an exit status."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from app.errors import Conflict, Invalid, TocsinError, Unavailable
from app.sentence import lower_first
from app.visible import visible

NO, WRONG = 1, 2  # the answer is no, or nobody could say; wrong use or bad input
UNDEFINED_TABLE = "42P01"


def told(run: Callable[[], Any]) -> int:
    """Run; the exit status. Whatever went wrong is said on stderr."""
    try:
        status = run()
    except typer.Abort:
        return _say("stopped", 130)
    except TocsinError as error:
        return _say(_with_faults(error), NO if isinstance(error, Conflict | Unavailable) else WRONG)
    except BrokenPipeError:
        sys.stdout = None  # whoever read it has heard enough
        return 0
    except Exception as error:
        usage = getattr(error, "format_message", None)  # what Typer raises for wrong use
        if usage is not None:
            return _say(_usage(error, usage()), WRONG)
        if _not_prepared(error):
            return _say("the database is not set up yet; run `tocsin up`", NO)
        raise
    return status if isinstance(status, int) else 0


def _say(line: str, status: int) -> int:
    typer.secho(f"tocsin: {visible(' '.join(line.split()))}", fg="red", err=True)
    return status


def _with_faults(error: TocsinError) -> str:
    if isinstance(error, Invalid) and error.faults:
        return f"{error}: " + "; ".join(f"{fault.field}: {fault.detail}" for fault in error.faults)
    return str(error)


def _usage(error: Any, message: str) -> str:
    if not message:  # no command was named: its help was printed
        return "name a command"
    path = error.ctx.command_path if getattr(error, "ctx", None) else "tocsin"
    return f"{lower_first(message).rstrip('.')}; see `{path} --help`"


def _not_prepared(error: Exception) -> bool:
    return getattr(getattr(error, "orig", None), "sqlstate", None) == UNDEFINED_TABLE
