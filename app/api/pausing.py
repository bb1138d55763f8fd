"""What is posted to pause a check or a heartbeat."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Body as Posted
from pydantic import Field, model_validator

from app.api.field import Body, Instant, Text
from app.checks.pause import LONGEST, REASON_LIMIT


class Pausing(Body):
    """For how long, or until when; neither: until it is resumed."""

    seconds: float | None = Field(default=None, strict=True, ge=1, le=LONGEST.total_seconds(), allow_inf_nan=False)
    until: Instant | None = None
    reason: Text = Field(default="", max_length=REASON_LIMIT)

    @model_validator(mode="after")
    def _one_end(self) -> "Pausing":
        if self.seconds is not None and self.until is not None:
            raise ValueError("give seconds or until, not both")
        return self

    def end(self, now: datetime) -> datetime | None:
        """When it is over."""
        return self.until if self.seconds is None else now + timedelta(seconds=self.seconds)


NewPause = Annotated[Pausing, Posted()]
PAUSED = Pausing()  # what no body means
