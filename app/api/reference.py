"""What the API offers, for programs (OpenAPI) and for people (a plain page; nothing of it comes from another host)."""

import json
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.api.answer import answer
from app.signals.sources.generic import EVENTS, Event

STYLE = Path(__file__).parent / "style.css"
POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"}
INTRODUCTION = """Every call carries `Authorization: Bearer TOKEN` (`tocsin users token LOGIN` makes one). Lists answer
`{"items": [...], "next": CURSOR or null}`; the next page is the same call with `?cursor=CURSOR`. Times are RFC 3339 with an
offset, in and out; durations are seconds. Errors are problem+json (RFC 9457) with a `trace_id` that the log has as well."""
REFUSED = {
    "description": "any refusal: 401, 403, 404, 409, 413, 422, 501 or 503",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": ["integer", "null"]},
                    "field": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def install(app: FastAPI) -> None:
    """Add the document, the page and its style."""
    app.description = INTRODUCTION
    document = lru_cache(lambda: _document(app))

    async def openapi(_: Request) -> Response:
        return answer(document(), headers={"Cache-Control": "max-age=60"})

    async def docs(_: Request) -> Response:
        return HTMLResponse(_page(document()), headers=POLICY)

    app.router.routes += [Route("/api/openapi.json", openapi), Route("/api/docs", docs), Route("/api/style.css", style)]


async def style(_: Request) -> Response:
    """The style of the reference and of the link pages."""
    return Response(STYLE.read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})


def _document(app: FastAPI) -> dict[str, Any]:
    found = app.openapi()
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    event = Event.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**event.pop("$defs", {}), "Event": event, "Problem": PROBLEM}
    found["paths"]["/api/v1/events"] = {"post": _events()}
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = REFUSED
            operation["operationId"] = f"{operation.get('operationId', path)}"
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return found


def _events() -> dict[str, Any]:
    events = {"type": "array", "items": {"$ref": "#/components/schemas/Event"}, "maxItems": EVENTS}
    body = {"type": "object", "properties": {"events": events}, "required": ["events"], "additionalProperties": False}
    return {
        "tags": ["events"],
        "summary": "Events",
        "operationId": "post_events",
        "description": "Raise or resolve alerts; committed when it is answered. Takes an API token or an integration's key.",
        "security": [{"HTTPBearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"202": {"description": "accepted: a key and a trace id for each event"}},
    }


def _page(document: dict[str, Any]) -> str:
    parts = [f"<h1>Tocsin's API</h1><p>{escape(INTRODUCTION)}</p><p><a href=/api/openapi.json>OpenAPI document</a></p>"]
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
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td><td>{escape(_words(one))}</td></tr>"
        for one in operation.get("parameters", ())
    )
    table = f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>" if rows else ""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    body = f"<pre>{escape(json.dumps(_resolved(schema, document), indent=1))}</pre>" if schema else ""
    about = escape(operation.get("description", ""))
    return f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {about}</summary>{table}{body}</details>"


def _words(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    known = ("type", "enum", "format", "minimum", "maximum", "default")
    facts = [f"{name} {schema[name]}" for name in known if name in schema]
    return ", ".join(filter(None, [parameter.get("description"), *facts]))


def _resolved(schema: Any, document: dict[str, Any], depth: int = 0) -> Any:
    """The schema with its references filled in, as far as a reader needs it."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and depth < 6:
            return _resolved(document["components"]["schemas"][name], document, depth + 1)
        return {key: _resolved(value, document, depth) for key, value in schema.items() if key != "title"}
    return [_resolved(one, document, depth) for one in schema] if isinstance(schema, list) else schema
