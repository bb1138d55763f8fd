"""Types of query, path and body fields, each refusing in words what it does not take."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from app.oncall.notation import YEARS

LIST, SMALL_LIST, MOST = 50, 500, 500  # default limits of histories and of what the configuration declares; the highest
_LOOKS_LIKE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
_LOST_PLUS = re.compile(r"([Tt].*) (\d\d:?\d\d)$")  # "+" in a URL is a space, unless it is escaped


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _LOOKS_LIKE_TIME.match(value):
        raise ValueError("is not a time; write 2026-11-02T09:00:00+01:00")
    return _LOST_PLUS.sub(r"\1+\2", value)


def _within_calendar(at: datetime) -> datetime:
    if at.year not in YEARS:
        raise ValueError(f"is not within the years {YEARS.start} to {YEARS.stop - 1}")
    return at.astimezone(UTC)


def _said(value: object) -> object:
    """An empty parameter is none."""
    return None if value == "" else value


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _each_said(values: Any) -> Any:
    return [value for value in values if value != ""] if isinstance(values, list) else values


Instant = Annotated[AwareDatetime, AfterValidator(_within_calendar), BeforeValidator(_written)]
MaybeInstant = Annotated[Instant | None, BeforeValidator(_said)]
Text = Annotated[str, AfterValidator(_no_nul)]
Maybe = BeforeValidator(_said)
Each = BeforeValidator(_each_said)
MaybeText = Annotated[Annotated[Text, Field(max_length=1024)] | None, Maybe]
Cursor = Annotated[str | None, Query(max_length=1024, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="the incident's number")]
MaybeNumber = Annotated[Annotated[int, Field(ge=1, le=2**63 - 1)] | None, Maybe]
Name = Annotated[Text, Path(max_length=512)]


class Body(BaseModel):
    """Base of what is posted: a field that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
