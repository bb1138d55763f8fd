"""Preview: who would be paged for an alert, when, how and why. Nothing is sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from app.alerts.label import severity_of
from app.catalog import store as catalog
from app.catalog.matcher import parse_labels
from app.catalog.model import Severity
from app.errors import Fault, Invalid
from app.notify.model import Draft
from app.review.preview import Preview, preview
from app.web import wall
from app.web.route import pages
from app.web.visit import visit

router = pages()
LONGEST = 168  # hours the slider reaches ahead
MOST = 60  # steps shown; a policy that repeats for long has more


@dataclass(frozen=True, slots=True)
class Step:
    """The messages of one step that leave at one time; `number` is None when the policy is exhausted."""

    number: int | None
    at: datetime
    pages: tuple[Draft, ...]


@router.get("/preview")
def show(
    request: Request,
    labels: Annotated[str, Query(max_length=8192)] = "",
    service: Annotated[str, Query(max_length=512)] = "",
    severity: Annotated[str, Query(max_length=16)] = "",
    at: Annotated[str, Query(max_length=64)] = "",
    hours: Annotated[int, Query(ge=0, le=LONGEST)] = 0,
) -> Response:
    """The form, and what an alert with these labels would lead to `hours` after `at` (default: now)."""
    with visit(request) as v:
        made, when, error = None, v.now, None
        try:
            known = _labels(labels, service)
            when = (wall.parse(at, v.zone, "at") if at else v.now) + timedelta(hours=hours)
            made = preview(v.db, known, severity_of(severity or None, known), when, v.now)
        except Invalid as invalid:
            error = str(invalid)
        steps = list(steps_of(made)) if made else []
        return v.page(
            "preview.html",
            typed={"labels": labels, "service": service, "severity": severity, "at": at, "hours": hours},
            services=sorted(catalog.services(v.db)),
            severities=list(Severity),
            longest=LONGEST,
            when=when,
            made=made,
            steps=steps[:MOST],
            more=len(steps[MOST:]),
            error=error,
        )


def _labels(text: str, service: str) -> dict[str, str]:
    """The labels typed, with the chosen service where they name none. Raises Invalid."""
    try:
        known = parse_labels(text) if text.strip() else {}
    except ValueError as error:
        raise Invalid(f"labels: {error}", [Fault("labels", str(error))]) from None
    return {"service": service, **known} if service else known


def steps_of(made: Preview) -> Iterator[Step]:
    """The messages in the order in which they leave."""
    for (at, number), pages_ in groupby(made.sent, key=lambda one: (one.due_at, one.step)):
        yield Step(number, at, tuple(pages_))
