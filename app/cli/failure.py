"""How a command ends: an exception becomes one line on stderr that says what to do, and an exit status."""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from app import refusal
from app.errors import Conflict, Invalid, TocsinError, Unavailable, Unusable
from app.kept import MARK
from app.sentence import lower_first
from app.supervisor.exits import EXIT_PERMANENT, EXIT_TEMPORARY
from app.visible import visible

NO, WRONG = Conflict.exit_status, Invalid.exit_status


def exit_status(run: Callable[[], Any], starts: bool = False) -> int:
    """Run; the exit status. An error is one line on stderr.

    starts: this is to run until it is stopped. A start that fails is 1 whatever the reason; under the supervisor it is 75
    when waiting may help and 78 when it cannot.
    """
    try:
        status = run()
    except typer.Abort:
        return _say("stopped", 130)
    except BrokenPipeError:
        sys.stdout = None  # the reader has closed the pipe, as `head` does
        return 0
    except Exception as error:
        usage = getattr(error, "format_message", None)  # what Typer raises for wrong use
        if usage is not None:
            _reword(error)
            return _say(_usage(error, usage()), WRONG)
        known = _known(error)
        if known is None:
            raise
        return _say(_with_faults(known), _start_status(known) if starts else known.exit_status)
    return status if isinstance(status, int) else 0


def _known(error: Exception) -> TocsinError | None:
    """The error for the user; None for a bug."""
    if isinstance(error, TocsinError):
        return error
    if refusal.is_not_set_up(error):
        return Unavailable(refusal.NOT_SET_UP)
    if refusal.is_right_missing(error):
        return refusal.database(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Unusable(f"{where}{(error.strerror or str(error) or type(error).__name__).lower()}")
    if type(error).__module__.startswith(("sqlalchemy.", "psycopg.")) and type(error).__name__ == "OperationalError":
        return refusal.database(error)
    return None


def _start_status(error: TocsinError) -> int:
    if MARK not in os.environ:
        return NO
    return EXIT_TEMPORARY if isinstance(error, Unavailable) and not isinstance(error, Unusable) else EXIT_PERMANENT


def _say(line: str, status: int) -> int:
    typer.secho(f"tocsin: {visible(' '.join(line.split()))}", fg="red", err=True)
    return status


def _with_faults(error: TocsinError) -> str:
    """The message, then the invalid fields that it does not mention, once each."""
    message = str(error)
    faults = error.faults if isinstance(error, Invalid) else ()
    more = [f"{one.field}: {one.detail}" for one in faults if one.detail not in message and one.detail != "unknown"]
    return f"{message}: {'; '.join(more)}" if more else message


def _reword(error: Any) -> None:
    """Typer has pydantic read an option: say what that refuses as everywhere else."""
    refused = getattr(error.__cause__, "errors", None)
    if refused is not None:
        from app.validation import explain

        error.message = explain(refused()[0])


def _usage(error: Any, message: str) -> str:
    if not message:  # no command was named: its help was printed
        return "missing command"
    path = error.ctx.command_path if getattr(error, "ctx", None) else "tocsin"
    return f"{_tidy(lower_first(message))}; see `{path} --help`"


def _tidy(message: str) -> str:
    """As other errors are written: `no such command "x" (did you mean "y"?)` for `No such command 'x'. Did you mean 'y'?`."""
    said, _, guess = message.replace("'", '"').partition(" Did you mean ")
    return said.rstrip(".") + (f" (did you mean {guess})" if guess else "")
