"""The API reference: OpenAPI for programs, a plain page for people (nothing on it comes from another host)."""

import json
import re
from functools import lru_cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.api.answer import answer
from app.api.forms import PublicAccepted, PublicProblem
from app.signals.sources.generic import EVENTS, Event

STYLE = Path(__file__).parent / "style.css"
EXAMPLES = (
    Path(__file__).parent / "examples.json"
)  # real requests and answers: tests/api/test_openapi.py writes and checks them
PLACE = "#/components/schemas/"
POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"}
INTRODUCTION = """Every call needs `Authorization: Bearer TOKEN` (create one with `tocsin users token LOGIN`). Lists return
`{"items": [...], "next": CURSOR or null}`; for the next page, repeat the call with `?cursor=CURSOR`. Times are RFC 3339 with an
offset, in and out; durations are seconds. Errors are problem+json (RFC 9457) with a `trace_id`, which is also in the log."""
REFUSED = {
    "description": "any error: 401, 403, 404, 409, 410, 413, 422, 501 or 503",
    "content": {"application/problem+json": {"schema": {"$ref": f"{PLACE}PublicProblem"}}},
}
_LONG = re.compile(r"app__(?P<stage>[a-z]+)__.+__(?P<name>\w+)")  # of several types with one name
_CODE = re.compile(r"`([^`]+)`")
_LISTED = re.compile(r"Listed_(?P<name>\w+)_")


def install(app: FastAPI) -> None:
    """Add the document, the page and its style."""
    app.description = INTRODUCTION
    made = lru_cache(lambda: document(app))
    written = lru_cache(lambda: answer(made()).body)  # 150 kB, which anybody may ask for
    page = lru_cache(lambda: _page(made()).encode())

    async def openapi(_: Request) -> Response:
        return Response(written(), media_type="application/json", headers={"Cache-Control": "max-age=60"})

    async def docs(_: Request) -> Response:
        return HTMLResponse(page(), headers=POLICY)

    app.router.routes += [Route("/api/openapi.json", openapi), Route("/api/docs", docs), Route("/api/style.css", style)]


async def style(_: Request) -> Response:
    """The style of the reference and of the link pages."""
    return Response(STYLE.read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: what the routes say of themselves, `POST events`, and the examples."""
    found = app.openapi()
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for type_ in (Event, PublicAccepted, PublicProblem):
        schema = TypeAdapter(type_).json_schema(ref_template=f"{PLACE}{{model}}")
        schemas |= {**schema.pop("$defs", {}), type_.__name__: schema}
    found["paths"]["/api/v1/events"] = {"post": _events()}
    examples = orjson.loads(EXAMPLES.read_bytes())
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            for status, answered in operation["responses"].items():
                answered["description"] = HTTPStatus(int(status)).phrase
            operation["responses"]["default"] = REFUSED
            operation["operationId"] = f"{operation.get('operationId', path)}"
            _exemplify(operation, examples.get(f"{method.upper()} {path}", {}))
    document: dict[str, Any] = _renamed(found)
    return document


def _exemplify(operation: dict[str, Any], example: dict[str, Any]) -> None:
    """Put a real request and its response beside their schemas."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in example.get("parameters", {}):
            parameter["example"] = example["parameters"][parameter["name"]]
    for side, of in (("request", operation.get("requestBody", {})), ("response", _answered(operation))):
        content = of.get("content", {}).get("application/json")
        if content is not None and side in example:
            content["example"] = example[side]


def _renamed(value: Any) -> Any:
    """The document with its types called as people call them: `Alert`, `AlertList`."""
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: one if key in ("example", "examples") else _renamed(one) for key, one in value.items()}
    if "schemas" in found:
        for one in found["schemas"].values():
            if "enum" in one:  # what its class says of itself is for those who read the code
                one.pop("description", None)
        found["schemas"] = {_named(name): one for name, one in found["schemas"].items()}
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = PLACE + _named(reference.removeprefix(PLACE))
    if isinstance(title := found.get("title"), str):
        found["title"] = title.removeprefix("Public")
    return found


def _named(type_: str) -> str:
    """`Listed_PublicAlert_` -> `AlertList`; `app__notify__model__Kind` -> `NotifyKind`."""
    if listed := _LISTED.fullmatch(type_):
        return f"{_named(listed['name'])}List"
    if long := _LONG.fullmatch(type_):
        return f"{long['stage'].title()}{long['name'].removeprefix('Public')}"
    return type_.removeprefix("Public")


def _events() -> dict[str, Any]:
    events = {"type": "array", "items": {"$ref": f"{PLACE}Event"}, "maxItems": EVENTS}
    body = {"type": "object", "properties": {"events": events}, "required": ["events"], "additionalProperties": False}
    return {
        "tags": ["events"],
        "summary": "Events",
        "operationId": "post_events",
        "description": "Trigger or resolve alerts; 2xx means they are stored. Takes an API token or an integration key.",
        "security": [{"HTTPBearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "202": {
                "content": {"application/json": {"schema": {"$ref": f"{PLACE}PublicAccepted"}}},
            }
        },
    }


def _page(document: dict[str, Any]) -> str:
    parts = [f"<h1>Tocsin's API</h1><p>{_prose(INTRODUCTION)}</p><p><a href=/api/openapi.json>OpenAPI document</a></p>"]
    tags: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tags.setdefault(operation.get("tags", ["more"])[0], []).append(_operation(path, method, operation, document))
    for tag, operations in sorted(tags.items()):
        parts.append(f"<h2>{escape(tag)}</h2>{''.join(operations)}")
    head = "<meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'><title>Tocsin's API</title>"
    style_ = "<link rel=stylesheet href=/api/style.css>"
    return f"<!doctype html><html lang=en><head>{head}{style_}</head><body><main>{''.join(parts)}</main></body></html>"


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td><td>{_prose(_words(one))}</td></tr>"
        for one in operation.get("parameters", ())
    )
    table = f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>" if rows else ""
    bodies = []
    for title, of in (("request", operation.get("requestBody", {})), ("response", _answered(operation))):
        content = of.get("content", {}).get("application/json")
        if content is not None:
            schema = json.dumps(_resolved(content["schema"], document), indent=1)
            example = json.dumps(content["example"], indent=1) if "example" in content else ""
            bodies.append(f"<h3>{title}</h3>{f'<pre>{escape(example)}</pre>' if example else ''}")
            bodies.append(f"<details><summary>schema</summary><pre>{escape(schema)}</pre></details>")
    about, call = _prose(operation.get("description", "")), f"<b>{method.upper()}</b> <code>{escape(path)}</code>"
    return f"<details><summary>{call} {about}</summary>{table}{''.join(bodies)}</details>"


def _prose(text: str) -> str:
    """Text as HTML, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _answered(operation: dict[str, Any]) -> dict[str, Any]:
    """The response of a call that succeeds."""
    return next(one for status, one in operation["responses"].items() if status != "default")


def _words(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    known = ("type", "enum", "format", "minimum", "maximum", "default")
    facts = [f"{name} {schema[name]}" for name in known if name in schema]
    facts += [f"e.g. {parameter['example']}"] if "example" in parameter else []
    return ", ".join(filter(None, [parameter.get("description"), *facts]))


def _resolved(schema: Any, document: dict[str, Any], depth: int = 0) -> Any:
    """The schema with its references filled in, as far as a reader needs it."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and depth < 6:
            return _resolved(document["components"]["schemas"][name], document, depth + 1)
        return {key: _resolved(value, document, depth) for key, value in schema.items() if not _is_title(key, value)}
    return [_resolved(one, document, depth) for one in schema] if isinstance(schema, list) else schema


def _is_title(key: str, value: Any) -> bool:
    """Whether it only repeats a field's name; a field may itself be called title."""
    return key == "title" and isinstance(value, str)
