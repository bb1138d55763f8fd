"""Preview: everything that would be sent; nothing is."""

from typing import Annotated

from fastapi import Response
from pydantic import Field

from app import clock
from app.alerts.label import severity_of
from app.api.answer import answer
from app.api.caller import router
from app.api.field import Body, Instant, Text
from app.catalog.model import Severity
from app.db import transaction
from app.review.preview import PublicPreview, present, preview

routes = router("preview")


class Asked(Body):
    """A hypothetical alert; `severity` defaults to its label, else error."""

    labels: Annotated[
        dict[Annotated[Text, Field(min_length=1, max_length=128)], Annotated[Text, Field(max_length=4096)]],
        Field(max_length=64),
    ] = Field(default_factory=dict)
    severity: Severity | None = None
    at: Instant | None = None


@routes.post("/preview", response_model=PublicPreview)
def ask(body: Asked) -> Response:
    """Who would be paged for this alert, when, on which channel, and why, if nobody acknowledged. Nothing is sent."""
    severity = severity_of(body.severity, body.labels)
    with transaction() as db:
        now = clock.now(db)
        made = preview(db, body.labels, severity, body.at or now, now)
    return answer(present(made))
