"""Instant queries to a server that speaks Prometheus' HTTP API: Prometheus, Thanos, Mimir, VictoriaMetrics.

Source: Prometheus documentation, "HTTP API", "Instant queries"; `isPartial` is VictoriaMetrics' own field.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, Field

from app.failure import Failed, Kind
from app.net.ask import MARGIN, Server
from app.net.exchange import Response
from app.net.expect import LONG, document
from app.net.http import fetch
from app.net.url import Url

PATH = "/api/v1/query"
SERVER_SHARE = 0.9  # of our time: the server times out first, and reports why
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MAX_ERROR = 300  # characters kept of the server's error

Labels = Mapping[str, str]


def _check_query(query: str) -> str:
    if not query.strip():
        raise ValueError("the query is empty")
    return query


class Query(Server):
    """What is asked of which server."""

    url: Url = Field(
        description="http:// or https:// URL of the server, including a path prefix if there is one",
        examples=["http://prometheus.example.org:9090"],
    )
    query: Annotated[str, AfterValidator(_check_query)] = Field(
        max_length=20_000,
        description="PromQL, evaluated as of now",
        examples=["""sum(rate(http_requests_total{code=~'5..'}[5m]))"""],
    )
    metric: str = Field(
        default="value", pattern=r"^[A-Za-z_]\w{0,99}$", description="metric name under which the values are stored"
    )
    empty: Literal["ok", "unknown", "critical"] = Field(
        default="unknown", description="status of an empty result: `ok` for queries that find problems, such as `up == 0`"
    )
    partial: Literal["ok", "warning", "unknown"] = Field(
        default="unknown", description="status of a partial response: the server could not query all of its stores"
    )
    max_series: int = Field(default=500, ge=1, le=10_000, description="maximum number of label sets; more are an error")
    max_bytes: int = Field(default=16_777_216, ge=1, le=67_108_864, description="maximum bytes of the response to read")
    method: Literal["GET", "POST"] = Field(
        default="POST", description="POST allows long queries; GET works through every proxy"
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered: each label set once."""

    samples: tuple[tuple[Labels, float], ...]
    skipped: tuple[str, ...]  # what was no number
    warnings: tuple[str, ...]  # the server's own
    partial: bool


async def ask(query: Query, timeout: float) -> Answer:
    """The query's answer. Raises Failed when there is none, ValueError when it is none that can be measured."""
    response = await fetch(_request(query, timeout * MARGIN))
    long = len(response.body) > LONG
    return await asyncio.to_thread(_read, response, query) if long else _read(response, query)


def _request(query: Query, timeout: float) -> Any:
    path, mark, parameters = query.url.partition("?")
    if not path.endswith(PATH):
        path = path.rstrip("/") + PATH
    form = urlencode({"query": query.query, "timeout": f"{timeout * SERVER_SHARE * 1000:.0f}ms", "limit": query.max_series + 1})
    if query.method == "GET":
        return query.request(f"{path}?{parameters + '&' if parameters else ''}{form}", timeout, follow_redirects=5)
    return query.request(path + mark + parameters, timeout, method="POST", headers=FORM, body=form, follow_redirects=5)


def _read(response: Response, query: Query) -> Answer:
    if response.status in (401, 403):
        raise Failed(Kind.DENIED, f"the server returned {response.status}; check token, username and password")
    try:
        answer = document(response)
    except ValueError as error:
        raise ValueError(f"{response.status} from {response.url.partition('?')[0]}: {error}") from None
    if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
        raise ValueError(f"{response.status}: the response is not from the Prometheus HTTP API")
    if answer["status"] == "error":
        raise ValueError(f"the server reports {answer.get('errorType')}: {str(answer.get('error'))[:MAX_ERROR]}")
    warnings = [str(one)[:MAX_ERROR] for one in answer.get("warnings") or [] if isinstance(one, str)]
    samples, skipped = _samples(answer.get("data"), query)
    # Remarks on the query itself are marked as such; the other warnings are about stores that could not be read.
    partial = answer.get("isPartial") is True or any(not one.startswith("PromQL ") for one in warnings)
    if answer.get("isPartial") is True:
        warnings.append("the server reported a partial response")
    return Answer(samples, tuple(skipped), tuple(warnings[:3]), partial)


def _samples(data: Any, query: Query) -> tuple[tuple[tuple[Labels, float], ...], list[str]]:
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    elif kind != "vector":
        raise ValueError(
            f"the query returned a {kind or 'result without a type'}; it must return an instant vector or a scalar"
        )
    if not isinstance(result, list):
        raise ValueError("the result in the response is not a list")
    if len(result) > query.max_series:
        raise ValueError(f"more than {query.max_series} series; aggregate in the query, or raise max_series")
    found: list[tuple[Labels, float]] = []
    histograms = infinite = 0
    for one in result:
        labels, value = _sample(one)
        if value is None:
            histograms += 1
        elif abs(value) < float("inf"):  # false for NaN too
            found.append((labels, value))
        else:
            infinite += 1
    skipped = [f"{infinite} NaN or infinite skipped"] * bool(infinite)
    skipped += [f"{histograms} histograms skipped; use histogram_quantile()"] * bool(histograms)
    return _drop_metric_name(found), skipped


def _sample(one: Any) -> tuple[Labels, float | None]:
    """Labels and value; None for the value of a native histogram."""
    try:
        labels = {str(name): str(value) for name, value in one["metric"].items()}
        return labels, None if "value" not in one and "histogram" in one else float(one["value"][1])
    except (TypeError, KeyError, AttributeError, IndexError, ValueError):
        raise ValueError("a sample in the response is invalid") from None


def _drop_metric_name(samples: list[tuple[Labels, float]]) -> tuple[tuple[Labels, float], ...]:
    """Without the metric's name, unless they have several, as `{__name__=~"a|b"}` does. Raises ValueError for twins."""
    names = {labels.get("__name__") for labels, _ in samples}
    if len(names) <= 1:
        samples = [({k: v for k, v in labels.items() if k != "__name__"}, value) for labels, value in samples]
    if len({tuple(sorted(labels.items())) for labels, _ in samples}) < len(samples):
        raise ValueError("two samples in the response have the same labels")
    return tuple(samples)


def written(labels: Labels) -> str:
    """A label set as PromQL writes it; empty for none."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""
