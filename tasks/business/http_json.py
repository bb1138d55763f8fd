"""Numbers from a JSON API: orders today, items in stock, an exchange rate.

Metrics: one for each entry of `metrics`, under its name: a JSONPath (RFC 9535) to a number, to text that is a number, or to
true and false, which count as 1 and 0. A path that selects several values, or a map of `path`, `value` and `labels`, gives one
value each; their labels are the text fields next to the number (or `item`, its position).

Ok if every metric has a value, unless the first metric exceeds `warning_*` or `critical_*` (if it has several values, the worst
counts). Unknown, never critical: no response, a different status than `expect` says, invalid JSON, a metric without a value, or
missing values in the metric that has limits.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from app.checks.limits import Limits
from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, probe, worst
from app.net.ask import MARGIN, Server
from app.net.expect import LONG, Expected, check_response, document, number, shown
from app.net.http import Failed, Response, fetch
from app.net.jsonpath import JsonPath, TooMuch, select

Name = Annotated[str, Field(pattern=r"^[A-Za-z_]\w{0,99}$")]


class Several(Spec):
    """One metric of many things."""

    path: JsonPath = Field(description="JSONPath (RFC 9535) to the things, e.g. `$.items[*]`")
    value: JsonPath = Field(
        default="$", description="JSONPath to the number, from a thing on: `$.count`; `$` is the thing itself"
    )
    labels: dict[Name, JsonPath] = Field(default={}, description="label to the JSONPath of its text, from a thing on: `$.name`")


def _short_form(given: object) -> object:
    return {"path": given} if isinstance(given, str) else given


class Question(Server, Limits, Spec):
    """The request, and the metrics in its answer."""

    method: str = Field(default="GET", pattern=r"^[A-Z]{1,20}$", description="HTTP method")
    body: str | None = Field(default=None, description="request body")
    follow_redirects: int = Field(default=5, ge=0, le=20, description="maximum number of redirects to follow")
    expect: Expected = Field(default=Expected(status=["2xx"]), description="expected response; a different one is not measured")
    metrics: dict[Name, Annotated[Several, BeforeValidator(_short_form, json_schema_input_type=Several | str)]] = Field(
        min_length=1,
        max_length=100,
        description="metric name mapped to its JSONPath, or to a map of `path`, `value` and `labels`",
        examples=[{"orders": "$.orders.today"}],
    )
    max_series: int = Field(
        default=500, ge=1, le=10_000, description="maximum number of values of one metric; more are an error"
    )


@probe(on_timeout=Status.UNKNOWN, metrics=lambda spec: spec.metrics)
async def measure(spec: Question, run: Run) -> Reading:
    until = time.monotonic() + run.timeout * MARGIN
    request = spec.request(
        spec.url, run.timeout * MARGIN, method=spec.method, body=spec.body, follow_redirects=spec.follow_redirects
    )
    try:
        response = await fetch(request)
        mismatches = await check_response(response, spec.expect)
        if mismatches:
            raise Unknown(f"{response.status}: {'; '.join(mismatches)}")
        if len(response.body) > LONG:
            return await asyncio.to_thread(_reading, response, spec, until)
        return _reading(response, spec, until)
    except (Failed, ValueError) as error:
        raise Unknown(str(error)) from None


def _reading(response: Response, spec: Question, until: float) -> Reading:
    content = document(response)
    found: dict[str, list[Series]] = {}
    missing: dict[str, str] = {}
    for name, metric in spec.metrics.items():
        items = _items(metric, content, spec.max_series)
        found[name], problems = _values(name, metric, items, until)
        if problems or not items:
            missing[name] = f"{name} has no value{_share(len(problems), len(items))}: {(*problems, 'it is missing')[0]}"
    first = next(iter(spec.metrics))
    grade, reasons = spec.judge({_named(one): one.value for one in found[first]})
    statuses = [Status(grade), *(Status.UNKNOWN for values in found.values() if not values)]
    if spec.judges and first in missing:
        statuses.append(Status.UNKNOWN)
    texts = reasons or [_summary(first, found[first])] * bool(found[first])
    alone = {name: values[0].value for name, values in found.items() if len(values) == 1 and not values[0].labels}
    series = tuple(one for values in found.values() for one in values if one.labels)
    return Reading(worst(statuses), "; ".join((*texts, *missing.values())), alone, series)


def _items(metric: Several, content: Any, limit: int) -> list[Any]:
    """The items that a metric's path selects. Raises ValueError when there are too many."""
    try:
        items = select(metric.path, content)
    except TooMuch as error:
        raise ValueError(f"{metric.path}: {error}") from None
    if len(items) > limit:
        raise ValueError(f"{metric.path} selects {len(items)} values, more than {limit}; raise max_series")
    return items


def _values(name: str, metric: Several, items: list[Any], until: float) -> tuple[list[Series], list[str]]:
    """A metric's values, and why others are missing."""
    found: list[Series] = []
    problems: list[str] = []
    for position, item in enumerate(items, 1):
        if time.monotonic() > until:
            raise ValueError(f"{name} was not read in time: {position - 1} of {len(items)} values so far")
        selected = select(metric.value, item)
        value = _number(selected[0]) if len(selected) == 1 else None
        if value is not None:
            found.append(Series(name, value, _labels(metric, item, position, len(items))))
        else:
            problems.append(
                f"it is {shown(selected[0])}" if len(selected) == 1 else f"{len(selected)} values at {metric.value}"
            )
    if len({tuple(one.labels.items()) for one in found}) < len(found):
        raise ValueError(f"two values of {name} have the same labels; add a label that differs")
    return found, problems


def _share(missing: int, all_: int) -> str:
    return f" for {missing} of {all_}" if all_ > 1 else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, bool) else number(value)


def _labels(metric: Several, item: Any, position: int, total: int) -> dict[str, str]:
    labels = dict(_texts(metric, item))
    return labels if labels or total == 1 else {"item": str(position)}


def _texts(metric: Several, item: Any) -> Iterator[tuple[str, str]]:
    for label, path in metric.labels.items():
        selected = select(path, item)
        if selected and selected[0] is not None:
            yield label, selected[0] if isinstance(selected[0], str) else shown(selected[0])


def _named(one: Series) -> str:
    return f"{one.metric} of {', '.join(one.labels.values())}" if one.labels else one.metric


def _summary(name: str, values: list[Series]) -> str:
    return f"{_named(values[0])} {values[0].value:g}" if len(values) == 1 else f"{len(values)} values of {name}"
