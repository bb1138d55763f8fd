"""Logs are events: a constant name and data as keywords, one line each in the format of `app.logfmt`.

What libraries log is an event of their logger's name with a `text`; warnings and errors nobody caught are events as well.
"""

import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

import structlog

from app import logfmt

FIRST = ("ts", "level", "event", "process")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def setup(process: str, level: int = logging.INFO) -> None:
    """Send everything this process says to stderr: structlog's events, the libraries' logging, warnings, what nobody caught."""

    def ours(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, "process": process}

    shared: list[Any] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, ours]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _foreign],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _foreign(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A library's message is no constant name."""
    record = event["_record"]
    return {**event, "event": record.name, "text": event["event"]}


def _render(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    given: Mapping[str, Any] = {"ts": logfmt.now(), **event}
    first = {name: given[name] for name in FIRST if name in given}
    return logfmt.line({**first, **{name: value for name, value in given.items() if name not in first}})


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get(__name__).error("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        get(__name__).error(
            "uncaught", thread=getattr(args.thread, "name", None), exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        said = args.err_msg or "ignored in"
        get(__name__).error("unraisable", text=f"{said} {args.object!r}", exc_info=args.exc_value)
