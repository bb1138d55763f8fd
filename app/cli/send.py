"""`tocsin send`"""

from typing import Annotated

import typer

from app.cli.terminal import As, Json, actor, say, say_json
from app.cli.terminal import labels as read_labels

commands = typer.Typer()


@commands.command()
def send(
    summary: Annotated[str | None, typer.Option(help="What is wrong, in one line; the title of the page.")] = None,
    service: Annotated[str | None, typer.Option(help="The affected service.")] = None,
    severity: Annotated[str, typer.Option(help="critical, error, warning or info.")] = "error",
    key: Annotated[str | None, typer.Option(help="Identifies the alert: the same key updates or resolves it.")] = None,
    labels: Annotated[str, typer.Option(help='More labels: a=b,c="d e".')] = "",
    resolve: Annotated[bool, typer.Option("--resolve", help="Resolve the alert instead of triggering it.")] = False,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Trigger or resolve an alert; committed when the command returns."""
    import secrets

    import orjson

    from app import line
    from app.db import transaction
    from app.people.permission import require
    from app.signals.model import Call, source_of
    from app.signals.sources.generic import parse

    event = {"key": key, "summary": summary, "service": service, "labels": read_labels(labels)}
    said = {"severity": severity, "status": "resolved" if resolve else "firing"}
    payload = {"events": [{**{name: value for name, value in event.items() if value}, **said}]}
    with transaction() as db:
        who = actor(db, as_)
    require(who, "respond")
    source = source_of(who.login)
    body, trace = orjson.dumps(payload), secrets.token_hex(8)
    (signal,) = parse(body, source, trace=trace)
    line.intake([Call(source, [signal], body, trace)])
    if as_json:
        say_json({"accepted": 1, "events": [{"key": signal.key, "trace_id": signal.trace}]})
    else:
        say(f"{'resolved' if resolve else 'triggered'} {signal.key} (trace {signal.trace})")
