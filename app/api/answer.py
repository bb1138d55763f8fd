"""Responses: JSON by orjson (instants as RFC 3339 in UTC), lists with a cursor, problems as RFC 9457."""

import base64
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.errors import Fault, Invalid

T = TypeVar("T")


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    body = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    return Response(body, status, headers, media_type="application/json")


def listed(rows: Sequence[T], limit: int, key: Callable[[T], object], show: Callable[[T], Any]) -> Response:
    """One page of a list. `rows` has up to `limit` + 1 entries: the extra one means a next page, after `key` of the last."""
    page = rows[:limit]
    return answer({"items": [show(row) for row in page], "next": cursor(key(page[-1])) if len(rows) > limit else None})


def whole(items: Sequence[Any]) -> Response:
    """A list that is never paginated."""
    return answer({"items": items, "next": None})


def cursor(last: object) -> str:
    """The opaque form of "continue after this one"."""
    return base64.urlsafe_b64encode(str(last).encode()).rstrip(b"=").decode()


def after(given: str | None) -> str | None:
    """The position in a cursor. Raises Invalid for one that is not ours."""
    if not given:
        return None
    try:
        raw = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise _not_ours() from None
    if "\0" in raw or cursor(raw) != given:
        raise _not_ours()
    return raw


def before_id(given: str | None) -> int | None:
    """The id to continue below. Raises Invalid."""
    raw = after(given)
    if raw is not None and not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise _not_ours()
    return int(raw) if raw is not None else None


def _not_ours() -> Invalid:
    return Invalid("invalid cursor; use `next` of the previous page", [Fault("cursor", "is invalid")])


def problem(
    request: Request,
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as RFC 9457 problem details, with the trace id, which is also in the log."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "trace_id": getattr(request.state, "trace", None),
    }
    if errors:
        content["errors"] = list(errors)
    return Response(orjson.dumps(content), status, headers, media_type="application/problem+json")
