"""The words for every reason, in one place: called only where people read, in the API, the console, a message, a terminal."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.reason import RECORDED, Code, Reason

Facts = Mapping[str, Any]
Phrase = str | Callable[[Facts], str]  # a template over the facts, or a function of them


def _round(facts: Facts) -> str:
    return f", round {facts['round'] + 1}" if facts["round"] else ""


def _failed(facts: Facts) -> str:
    return "; ".join(f"{one['channel']} {one['state']}" for one in facts["pages"])


PHRASES: dict[str, Phrase] = {
    RECORDED: "{text}",
    Code.ROUTED: lambda f: f"route {f['number']} matches {', '.join(f['match']) or 'everything'}",
    Code.NO_ROUTE: "no route matches; the platform's owners answer",
    Code.URGENCY_BY_HOURS: lambda f: f"{f['urgency']} {'during' if f['open'] else 'outside of'} {f['hours']} hours",
    Code.HOURS_UNDECLARED: "its hours are not declared any more",
    Code.SEVERITY_ROSE: "severity rose to {severity}",
    Code.URGENCY_ROSE: "urgency rose to high",
    Code.ALERT_JOINED: "another alert joined: {summary}",
    Code.JOINED_IN_WINDOW: "joined within the group's window",
    Code.UNCHANGED: "nothing changed",
    Code.STEP: lambda f: f"step {f['step']} of {f['of']}{_round(f)}",
    Code.EXHAUSTED: lambda f: f"escalation policy exhausted{_round(f)}",
    Code.NO_POLICY: lambda f: f"no escalation policy{_round(f)}",
    Code.NOBODY_NAMED: "no platform owner or admin exists",
    Code.HELD: "held until {local} ({hours} hours)",
    Code.CHANNEL: "channel {channel}",
    Code.USER_NAMED: "{user} is named",
    Code.USER_GONE: "{user} can no longer be paged",
    Code.TEAM_MEMBER: "in team {team}",
    Code.TEAM_EMPTY: "team {team} has no members",
    Code.ON_CALL: "on call in {schedule}",
    Code.NOBODY_ON_CALL: "nobody is on call in {schedule}",
    Code.NOTIFY_RULE: "notify.{urgency}",
    Code.NOTIFY_EMPTY: "notify.{urgency} names no contact",
    Code.NOTIFY_DEFAULT: "{urgency} urgency, by default",
    Code.QUIET_HOURS: "held until {local} (quiet hours)",
    Code.FALLBACK: "fallback: {channel} failed ({error})",
    Code.FALLBACK_LATE: "fallback: {channel} did not accept it in {attempts} attempts ({error})",
    Code.NOTIFIED_OVER: "you were notified over {channel}",
    Code.NOTIFIED_HERE: "this channel was notified",
    Code.TEST_ASKED: "you asked for it",
    Code.ACCEPTED: "{channel} accepted it",
    Code.ALL_FAILED: _failed,
    Code.BREACH: lambda f: f"nobody was reached for {f['target']}: {_failed(f)}",
}


def text(reason: Reason) -> str:
    """The reason in words; of a code that this release does not know, the code."""
    phrase = PHRASES.get(reason.code)
    if phrase is None:
        return str(reason.facts.get("text") or reason.code)
    return phrase(reason.facts) if callable(phrase) else phrase.format_map(reason.facts)


def texts(reasons: Iterable[Reason]) -> str:
    """Several reasons in one line, from the general to the particular."""
    return "; ".join(text(one) for one in reasons)


def present(reason: Reason) -> dict[str, Any]:
    """The public form: code and facts for programs, text for people."""
    return {"code": str(reason.code), "facts": dict(reason.facts), "text": text(reason)}
