"""What an HTTP answer must be, and what is wrong with one: status, headers, body, places in JSON."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Self

import orjson
import re2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from app.net.exchange import Response
from app.net.jsonpath import JsonPath, TooMuch, parsed, select
from app.net.pattern import QUIET, Pattern

STATUSES = re.compile(r"[1-5]xx|[1-5]\d\d(-[1-5]\d\d)?")
SHOWN = 80  # characters of a found value
STRICT = ConfigDict(frozen=True, extra="forbid")
LONG = 65_536  # bytes of a body from which it is judged in a thread: other checks go on meanwhile
MOST_THINGS, MOST_VALUES = 200_000, 1_000_000  # lists and objects, and values, of a JSON body: `[]` takes 60 bytes of memory

Redact = Callable[[str], str]  # takes out of a found text what must not be shown


class Span(BaseModel):
    """A number's bounds."""

    model_config = STRICT
    above: float | None = Field(default=None, description="more than this")
    below: float | None = Field(default=None, description="less than this")


class Condition(Span):
    """What a value in JSON must be; every line counts. Anything but a map stands for `equals`."""

    equals: Any = Field(default=None, description="equal to this (text must match exactly)")
    contains: str | float | bool | None = Field(
        default=None, description="contains this: a part of the text, an item of the list, a key of the object"
    )
    matches: Pattern | None = Field(default=None, description="RE2 pattern that must match somewhere in the text")
    exists: bool | None = Field(default=None, description="true: the path must select something; false: nothing")
    length: int | Span | None = Field(
        default=None, description="length of the text, list or object: a number, or `above`, `below`"
    )

    @model_validator(mode="after")
    def _check_conditions(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("sets no expectation; write equals, above, below, contains, matches, exists or length")
        return self


def _short_form(given: object) -> object:
    return given if isinstance(given, dict | Condition) else {"equals": given}


ShortForm = BeforeValidator(_short_form, json_schema_input_type=Condition | str | float | bool | list[Any] | None)


class Expected(BaseModel):
    """What the answer must be; every line counts."""

    model_config = STRICT
    status: list[int | str] = Field(
        default=["200-399"],
        min_length=1,
        description="allowed status codes: numbers, ranges such as `200-299`, classes such as `2xx`",
    )
    body_contains: str | None = Field(default=None, description="text the body must contain")
    body_lacks: str | None = Field(default=None, description="text the body must not contain, e.g. of an error page")
    body_matches: Pattern | None = Field(default=None, description="RE2 pattern that must match somewhere in the body")
    header: dict[str, str] = Field(default={}, description="header name mapped to text that its value must contain")
    json_: dict[JsonPath, Annotated[Condition, ShortForm]] | None = Field(
        default=None,
        alias="json",
        description="JSONPath (RFC 9535) mapped to what each selected value must be: a value to equal, or a map of"
        " `equals`, `above`, `below`, `contains`, `matches` (RE2), `exists`, `length`; at least one value must"
        " exist unless `exists: false` is set",
    )
    final_url: str | None = Field(default=None, description="prefix that the URL must have after redirects")

    @field_validator("status")
    @classmethod
    def _are_statuses(cls, given: list[int | str]) -> list[int | str]:
        for item in given:
            if not STATUSES.fullmatch(str(item)):
                raise ValueError(f"{item!r} is not a status; write 200, 200-299 or 2xx")
        return given


async def check_response(response: Response, expected: Expected, redact: Redact = str) -> list[str]:
    """`find_mismatches`, in a thread for a long answer."""
    if len(response.body) > LONG:
        return await asyncio.to_thread(find_mismatches, response, expected, redact)
    return find_mismatches(response, expected, redact)


def find_mismatches(response: Response, expected: Expected, redact: Redact = str) -> list[str]:
    """Mismatches with what is expected, as messages."""
    found = []
    if not any(_is(response.status, item) for item in expected.status):
        found.append(f"status {response.status}, expected {', '.join(map(str, expected.status))}")
    if expected.final_url is not None and not response.url.startswith(expected.final_url):
        found.append(f"the final URL was {redact(response.url)[:SHOWN]}, expected {expected.final_url}")
    if expected.header:
        found += _header_mismatches(response.headers, expected.header, redact)
    found += _body_mismatches(response, expected)
    if expected.json_:
        found += _json_mismatches(response, expected.json_, redact)
    return found


def _header_mismatches(headers: dict[str, str], expected: dict[str, str], redact: Redact) -> Iterator[str]:
    for name, part in expected.items():
        value = headers.get(name.lower())
        if value is None or part not in value:
            yield f"header {name} is {'missing' if value is None else repr(redact(value)[:SHOWN])}, expected {part!r}"


def _body_mismatches(response: Response, expected: Expected) -> list[str]:
    if expected.body_contains is None and expected.body_lacks is None and expected.body_matches is None:
        return []
    found = []
    where = f"the first {len(response.body)} bytes" if response.truncated else "the body"
    text = response.text
    if expected.body_contains is not None and expected.body_contains not in text:
        found.append(f"{where} does not contain {expected.body_contains!r}")
    if expected.body_lacks is not None and expected.body_lacks in text:
        found.append(f"{where} contains {expected.body_lacks!r}")
    if expected.body_matches is not None and not re2.search(expected.body_matches, text, QUIET):
        found.append(f"{where} does not match {expected.body_matches!r}")
    return found


@lru_cache(maxsize=4096)
def _is(status: int, item: int | str) -> bool:
    low, _, high = str(item).replace("xx", "00").partition("-")
    if str(item).endswith("xx"):
        high = f"{low[0]}99"
    return int(low) <= status <= int(high or low)


def document(response: Response) -> Any:
    """The body as JSON. Raises ValueError that says why it is none."""
    if response.truncated:
        raise ValueError(f"the body is longer than {len(response.body)} bytes, too long to be read as JSON; raise max_bytes")
    if sum(map(response.body.count, (b"{", b"["))) > MOST_THINGS or response.body.count(b",") > MOST_VALUES:
        raise ValueError(f"the body's JSON has more than {MOST_THINGS} lists and objects or {MOST_VALUES} values")
    try:
        return parsed(response.text)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}" if response.body else "the body is empty, not JSON") from None


def _json_mismatches(response: Response, expected: dict[str, Condition], redact: Redact) -> Iterator[str]:
    try:
        whole = document(response)
    except ValueError as error:
        yield str(error)
        return
    for path, condition in expected.items():
        try:
            values = select(path, whole)
        except TooMuch as error:
            yield f"{path}: {error}"
            continue
        yield from _value_mismatches(path, values, condition, redact)


def _value_mismatches(path: str, values: list[Any], condition: Condition, redact: Redact) -> Iterator[str]:
    if condition.exists is False:
        if values:
            yield f"{path} is {shown(values[0], redact)}, expected nothing there"
        return
    if not values:
        yield f"{path} is missing"
    problems = [(value, why) for value in values if (why := next(_problems(value, condition), ""))]
    if problems:
        value, why = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield f"{path} is {shown(value, redact)}, {why}{more}"


def _problems(value: Any, wanted: Condition) -> Iterator[str]:
    """Why a value is not as wanted, each to follow `PATH is VALUE, `."""
    if "equals" in wanted.model_fields_set and not _same(value, wanted.equals):
        yield f"expected {shown(wanted.equals)}"
    if wanted.above is not None or wanted.below is not None:
        yield from _outside(number(value), wanted, "a number")
    if wanted.contains is not None and not _holds(value, wanted.contains):
        yield f"expected to contain {shown(wanted.contains)}"
    if wanted.matches is not None and not (isinstance(value, str) and re2.search(wanted.matches, value, QUIET)):
        yield f"expected to match {shown(wanted.matches)}"
    if wanted.length is not None:
        size = len(value) if isinstance(value, str | list | dict) else None
        if isinstance(wanted.length, Span):
            yield from (f"of length {size}, {why}" for why in _outside(size, wanted.length, "something with a length"))
        elif size != wanted.length:
            yield f"of length {size}, expected {wanted.length}"


def _outside(value: float | None, span: Span, kind: str) -> Iterator[str]:
    if value is None:
        yield f"not {kind}"
        return
    if span.above is not None and not value > span.above:
        yield f"expected above {span.above:g}"
    if span.below is not None and not value < span.below:
        yield f"expected below {span.below:g}"


def _same(value: object, wanted: object) -> bool:
    return isinstance(value, bool) is isinstance(wanted, bool) and value == wanted  # in Python True is 1


def _holds(value: Any, part: object) -> bool:
    if isinstance(value, str):
        return isinstance(part, str) and part in value
    items: Iterable[object] = value if isinstance(value, list | dict) else ()
    return any(_same(item, part) for item in items)


def number(value: object) -> float | None:
    """The number a JSON value is, also one written as a text; None for anything else, NaN and infinity included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and (len(value) > SHOWN or "_" in value):
        return None  # Python reads 1_000, nobody else does
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < float("inf") else None


def shown(value: object, redact: Redact = str) -> str:
    """A value as JSON, cut to what a message bears."""
    text = redact(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode(errors="replace"))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
