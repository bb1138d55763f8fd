"""Types of query, path and body fields, with readable errors."""

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from app.catalog.matcher import Matcher, Matchers, parse_matchers
from app.errors import Fault, Invalid
from app.units import counted
from app.walltime import parse_instant

LIST, SMALL_LIST, MOST = 50, 500, 500  # default limits of histories and of what the configuration declares; the highest
_LOST_PLUS = re.compile(r"([Tt].*) (\d\d:?\d\d)$")  # "+" in a URL is a space, unless it is escaped


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value
    return parse_instant(_LOST_PLUS.sub(r"\1+\2", value) if isinstance(value, str) else "")


def _said(value: object) -> object:
    """An empty parameter is none."""
    return None if value == "" else value


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("contains a NUL character")
    return text


def _each_said(values: Any) -> Any:
    return [value for value in values if value != ""] if isinstance(values, list) else values


Instant = Annotated[AwareDatetime, BeforeValidator(_written)]
MaybeInstant = Annotated[Instant | None, BeforeValidator(_said)]
Text = Annotated[str, AfterValidator(_no_nul)]
Maybe = BeforeValidator(_said)
Each = BeforeValidator(_each_said)
MaybeText = Annotated[Annotated[Text, Field(max_length=1024)] | None, Maybe]
Cursor = Annotated[str | None, Query(max_length=1024, description="`next` of the previous page")]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="the incident's number")]
MaybeNumber = Annotated[Annotated[int, Field(ge=1, le=2**63 - 1)] | None, Maybe]
Name = Annotated[Text, Path(max_length=512)]
Match = Annotated[list[Annotated[Text, Query(max_length=4096)]], Each, Query(max_length=64, description="matchers, ANDed")]


def matchers(texts: list[str]) -> Matchers:
    """All matchers of these texts. Raises Invalid with a fault for each text that cannot be read."""
    found: list[Matcher] = []
    faults = []
    for index, text in enumerate(texts):
        try:
            found += parse_matchers(text)
        except ValueError as error:
            faults.append(Fault("match", str(error), index))
    if faults:
        raise Invalid(f"{counted(len(faults), 'invalid matcher')}", faults)
    return tuple(found)


class Body(BaseModel):
    """Base of request bodies: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
