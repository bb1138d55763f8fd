"""What a page says: short enough for a phone at night, complete enough to act on. Pure."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import quote

from app.alerts.model import Alert
from app.incidents.lifecycle import Move, offered
from app.incidents.model import Incident
from app.incidents.present import present
from app.notify.links import token
from app.notify.model import Claim, Draft, Kind, Message
from app.visible import visible
from app.wording import because as why
from app.wording import present_all, texts

SHOWN_ALERTS = 5


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What composing needs beside the facts: where links lead, and the key that signs them."""

    base_url: str
    secret: bytes


def compose(
    claim: Claim, incident: Incident | None, alerts: Sequence[Alert], context: MessageContext, expires_at: datetime
) -> Message:
    """The message of one attempt. `alerts` are the incident's first, open ones before others; a test page has none."""
    draft = claim.draft
    links = _links(draft, incident, context, expires_at)
    title = visible(_title(draft, incident))
    lines = [visible(line) for line in _lines(draft, incident, alerts, claim.attempt)]
    document = {
        "version": 1,
        "event": draft.kind.value,
        "page": {
            "id": claim.id,
            "key": draft.key,
            "attempt": claim.attempt,
            "step": draft.step,
            "reason": texts(draft.reasons),
            "reasons": present_all(draft.reasons),
        },
        "incident": present(incident) if incident else None,
        "recipient": {"user": draft.user, "channel": draft.channel, "contact": draft.contact, "to": draft.to},
        "links": links,
    }
    return Message(
        key=draft.key,
        to=draft.to,
        title=title,
        text=_text(lines, links),
        html=_html(title, lines, links),
        json=document,
        thread=f"incident-{incident.number}-{_unique(context, incident, 'thread')[:16]}" if incident else None,
        attempt=claim.attempt,
        uid=_unique(context, incident, draft.key),
    )


def _unique(context: MessageContext, incident: Incident | None, what: str) -> str:
    """32 hex digits that no other stack has for this, nor this one for the same number after its database was made anew."""
    since = f"{incident.number}|{incident.opened_at.isoformat()}" if incident else ""
    return hmac.new(context.secret, f"message|{since}|{what}".encode(), sha256).hexdigest()[:32]


def _title(draft: Draft, incident: Incident | None) -> str:
    if incident is None:
        return "Test notification from Tocsin"
    severity = f"[{incident.severity.upper()}]"
    head = {Kind.UPDATE: f"[UPDATE] {severity}", Kind.RESOLVED: "[RESOLVED]"}.get(draft.kind, severity)
    return f"{head} #{incident.number} {incident.title}"  # what stands in brackets does not part a conversation in Gmail


def _lines(draft: Draft, incident: Incident | None, alerts: Sequence[Alert], attempt: int) -> list[str]:
    if incident is None:
        return ["This is a test, requested with “Test my pager”. It did not open an incident."]
    where = ", ".join(part for part in (incident.service and f"service {incident.service}", incident.team) if part)
    lines = [f"Since {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC{f', {where}' if where else ''}. State: {incident.state}."]
    for alert in alerts[:SHOWN_ALERTS]:
        because, *more = why(alert.reasons).splitlines() or [""]
        unsaid = because and not alert.reason_in_summary
        lines.append(f"- {alert.severity}: {alert.summary}{f' ({because})' if unsaid else ''}")
        lines += [f"  {line}" for line in more]
    if incident.alert_count > SHOWN_ALERTS:
        lines.append(f"- and {incident.alert_count - SHOWN_ALERTS} more")
    lines.append(f"Reason: {texts(draft.reasons)}.")
    if attempt > 1:
        lines.append(f"(attempt {attempt}; you may have received this message before)")
    return lines


def _links(draft: Draft, incident: Incident | None, context: MessageContext, expires_at: datetime) -> dict[str, str | None]:
    if incident is None:
        return {"view": f"{context.base_url}/me", "acknowledge": None, "resolve": None, "runbook": None}

    possible = offered(incident) if draft.kind in (Kind.PAGE, Kind.UPDATE) else ()

    def act(move: Move) -> str | None:
        return f"{context.base_url}/a/{token(context.secret, draft.key, move, expires_at)}" if move in possible else None

    return {
        "view": f"{context.base_url}/incidents/{incident.number}",
        "acknowledge": act(Move.ACKNOWLEDGE),
        "resolve": act(Move.RESOLVE),
        "runbook": f"{context.base_url}/runbooks/{quote(incident.runbook, safe='')}" if incident.runbook else None,
    }


def _text(lines: Sequence[str], links: dict[str, Any]) -> str:
    named = [f"{name.capitalize()}: {url}" for name, url in links.items() if url]
    return "\n".join([*lines, "", *named, ""])


def _html(title: str, lines: Sequence[str], links: dict[str, Any]) -> str:
    body = "".join(f"<p><bdi>{escape(line)}</bdi></p>" for line in lines)
    buttons = " &nbsp; ".join(
        f'<a href="{escape(url, quote=True)}">{name.capitalize()}</a>' for name, url in links.items() if url
    )
    return f"<!doctype html><html><body><h2><bdi>{escape(title)}</bdi></h2>{body}<p>{buttons}</p></body></html>"
