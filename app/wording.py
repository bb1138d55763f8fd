"""The words for every reason: called only where people read, in the API, the console, a message, a terminal. Pure.

Those of a kind of rule stand in its file, as `PHRASES`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from typing_extensions import TypedDict

from app import plugins
from app.log import get
from app.reason import RECORDED, Code, Reason, loaded
from app.units import format_duration, format_seconds
from app.walltime import short_day, stamp

log = get(__name__)

Facts = Mapping[str, Any]
Phrase = str | Callable[[Facts], str]  # a template over the facts, or a function of them
MESSAGES = {"resolved": "resolved notification"}  # what a kind of page is called, where not by its name
STEPS = (Code.STEP, Code.EXHAUSTED, Code.NO_POLICY)  # what follows says whom they reach


def _round(facts: Facts) -> str:
    return f", round {facts['round'] + 1}" if facts["round"] else ""


def _rounds(facts: Facts) -> str:
    repeat = facts.get("repeat")  # absent in rows of an older release
    return f" after {repeat + 1} rounds" if repeat else ""


def _failed(facts: Facts) -> str:
    return "; ".join(f"{one['channel']} {one['state']}" for one in facts["pages"])


def _moment(at: str, zone: str) -> str:
    """`Mon 23 Nov 02:15:04 CET`: whoever is woken need not compute."""
    local = datetime.fromisoformat(at).astimezone(ZoneInfo(zone))
    return f"{short_day(local, ZoneInfo(zone))} {local:%H:%M:%S %Z}"


def _missed(facts: Facts) -> str:
    zone, last = facts["zone"], facts["last_ping"]
    since = f"no ping since {_moment(last, zone)}" if last else "started, but no completion ping received"
    return f"{since}; expected at {_moment(facts['expected_at'], zone)}, grace of {format_seconds(facts['grace'])} exceeded"


def _overran(facts: Facts) -> str:
    which = f" (run {facts['run']})" if facts["run"] else ""
    started = _moment(facts["started_at"], facts["zone"])
    return f"started at {started}{which}, not finished within {format_seconds(facts['grace'])}"


def _job_failed(facts: Facts) -> str:
    status, output = facts["exit_status"], facts["output"]
    what = f"exit status {status}" if status else "failure reported"
    return f"{what}: {output}" if output else what


def _why(facts: Facts, name: str = "why") -> str:
    return text(Reason(**facts[name]))


def alert_line(alertname: str, summary: str) -> str:
    """`checkout-http: Checkout is down`; the name only once where the summary begins with it."""
    return summary if summary == alertname or summary.startswith(f"{alertname}:") else f"{alertname}: {summary}"


def _alert(facts: Facts) -> str:
    return alert_line(facts["alertname"], facts["summary"])


def _ended(facts: Facts) -> str:
    why = because(loaded(facts["why"]))
    return f"{facts['alertname']} resolved" + (f" ({why})" if why else "")


def _reported(facts: Facts) -> str:
    return f"paged by {_by(facts)}" + (f": {facts['details']}" if facts["details"] else "")


def _paged(facts: Facts) -> str:
    kind, _, name = facts["target"].partition(":")
    through = f" ({kind} {name})" if kind != "user" else ""
    return f"triggered by {_by(facts)}: paged {', '.join(facts['users'])}{through}: {facts['summary']}"


def _by(facts: Facts) -> str:
    return facts["by"] or f"someone via {facts['via']}"


def _policy(facts: Facts) -> str:
    return f"escalation policy {facts['policy']}, step 1" if facts["policy"] else "the platform owners (no escalation policy)"


def _taken(facts: Facts) -> str:
    if facts["why"]["code"] == Code.ASSIGNED:
        return f"assignee paged: {', '.join(facts['users'])}"
    return f"{_why(facts)}: {', '.join([*facts['users'], *facts['channels']])}"


def _skipped(facts: Facts) -> str:
    return f"{_why(facts)}: {'; '.join(text(Reason(**one)) for one in facts['targets']) or 'nobody to page'}; skipped"


def _page(facts: Facts) -> str:
    to = f"{facts['user']} via {facts['channel']}" if facts["user"] else facts["channel"]
    return f"{MESSAGES.get(facts['kind'], facts['kind'])} to {to}"


def _references(facts: Facts) -> str:
    """`none of 2 reference targets responds (a:443, b:443)`."""
    names = ", ".join(facts["references"])
    if len(facts["references"]) == 1:
        return f"the reference target {names} does not respond"
    return f"none of {len(facts['references'])} reference targets responds ({names})"


PHRASES: dict[str, Phrase] = {
    RECORDED: "{text}",
    Code.RECOVERED: "recovered",
    Code.NO_DATA: lambda f: f"no data for {format_seconds(f['seconds'])}",
    Code.NO_RESULT: "no result",
    Code.NO_SAMPLE: "no sample in the window",
    Code.NO_METRIC: "the result does not have this metric",
    Code.NOT_A_NUMBER: "the value is not a number",
    Code.TOO_LARGE: "the values are too large to evaluate",
    Code.RULE_BROKE: "rule error: {error}",
    Code.SERIES_ENDED: "series ended",
    Code.TOO_MANY_SERIES: (
        "too many series: {series} label sets, {left_out} of them not evaluated; raise max_series or select fewer"
    ),
    Code.CHECK_PAUSED: "check paused",
    Code.NOT_ON_HOST: "not on this host: {what}",
    Code.PING_MISSED: _missed,
    Code.RUN_OVERRAN: _overran,
    Code.JOB_FAILED: _job_failed,
    Code.PINGED_AGAIN: "ping received",
    Code.NOT_LATE: "no longer late",
    Code.HEARTBEAT_PAUSED: "paused",
    Code.AWAITS_PING: "waiting for the next ping: it was down when it was removed",
    Code.REFERENCES_SILENT: _references,
    Code.REFERENCE_ANSWERS: "a reference target responds again",
    Code.NO_WORKER: lambda f: f"no worker at this location since {stamp(datetime.fromisoformat(f['since']))}",
    Code.WORKER_RUNS: "a worker at this location is running",
    Code.REMOVED: "removed",
    Code.RESOLVED_BY_SENDER: "resolved by sender",
    Code.INCIDENT_RESOLVED: lambda f: f"resolved by {_by(f)}",
    Code.REPORTED: _reported,
    Code.ROUTED: lambda f: f"route {f['number']} matches {', '.join(f['match']) or 'everything'}",
    Code.NO_ROUTE: "no route matches: platform owners",
    Code.URGENCY_BY_HOURS: lambda f: f"{f['urgency']} {'during' if f['open'] else 'outside'} {f['hours']} hours",
    Code.HOURS_UNDECLARED: "its hours are no longer configured",
    Code.SEVERITY_ROSE: "severity rose to {severity}",
    Code.URGENCY_ROSE: "urgency rose to high",
    Code.ALERT_JOINED: "another alert joined: {summary}",
    Code.JOINED_IN_WINDOW: "joined within the grouping window",
    Code.UNCHANGED: "no change",
    Code.STEP: lambda f: f"step {f['step']} of {f['of']}{_round(f)}",
    Code.EXHAUSTED: lambda f: f"escalation policy exhausted{_rounds(f)}",
    Code.NO_POLICY: "no escalation policy",
    Code.NOBODY_NAMED: "no platform owner or admin exists",
    Code.HELD: "held until {local} ({hours} hours)",
    Code.CHANNEL: "channel {channel}",
    Code.USER_NAMED: "user {user}",
    Code.USER_GONE: "{user} can no longer be paged",
    Code.TEAM_MEMBER: "in team {team}",
    Code.TEAM_EMPTY: "team {team} has no members",
    Code.ON_CALL: "on call in {schedule}",
    Code.ASSIGNEE: "{user} is assigned",
    Code.NOBODY_ON_CALL: "nobody is on call in {schedule}",
    Code.NOT_PAGED: "{user} is not paged",
    Code.PAGED_ALREADY: "{user} is assigned and was paged",
    Code.NOTIFY_RULE: "{urgency}-urgency notification rule",
    Code.NOTIFY_EMPTY: "no contact in the {urgency}-urgency notification rule",
    Code.NOTIFY_DEFAULT: "default {urgency}-urgency notification rule",
    Code.QUIET_HOURS: "held until {local} (quiet hours)",
    Code.PERSON_GONE: "{user} can no longer be paged",
    Code.CONTACT_REMOVED: "contact {contact} was removed",
    Code.CONTACT_CHANGED: "contact {contact} was changed",
    Code.FALLBACK: "fallback: {channel} failed ({error})",
    Code.FALLBACK_LATE: "fallback: {channel} not accepted after {attempts} attempts ({error})",
    Code.NOTIFIED_OVER: "you were notified via {channel}",
    Code.NOTIFIED_HERE: "this channel was notified",
    Code.TEST_ASKED: "requested by you",
    Code.OPENED: lambda f: f"triggered by {_alert(f)}",
    Code.PAGED: _paged,
    Code.JOINED: lambda f: f"alert joined: {_alert(f)}",
    Code.ALERT_RESOLVED: _ended,
    Code.REOPENED: lambda f: f"reopened by {_by(f)}" if f.get("via") else "reopened: alert fired again",
    Code.RESOLVED: lambda f: f"resolved by {_by(f)}" if f.get("via") else "all alerts resolved",
    Code.RESTARTED: lambda f: f"{_why(f)} ({f['alertname']}); rerouted to {_policy(f)}",
    Code.MERGE_RESTARTED: lambda f: f"#{f['number']} is more severe and unacknowledged; rerouted to {_policy(f)}",
    Code.URGENCY_CHANGED: lambda f: f"urgency changed to {f['urgency']}: {_why(f)}",
    Code.ACKNOWLEDGED: lambda f: f"acknowledged by {_by(f)}",
    Code.UNACKNOWLEDGED: lambda f: f"unacknowledged by {_by(f)}; escalation restarts at step 1",
    Code.ACK_EXPIRED: "acknowledgement timed out; escalation restarts at step 1",
    Code.SNOOZED: lambda f: f"snoozed by {_by(f)} for {format_duration(timedelta(seconds=f['seconds']))}",
    Code.SNOOZE_ENDED: "snooze ended; escalation restarts at step 1",
    Code.ESCALATED: lambda f: f"escalated manually by {_by(f)}{f' to step {number}' if (number := f.get('step')) else ''}",
    Code.ASSIGNED: lambda f: f"assigned to {f['to']} by {_by(f)}",
    Code.UNDONE: lambda f: f"{f'assignment to {to}' if (to := f.get('to')) else 'escalation'} undone by {_by(f)}",
    Code.NOTE: "{text}",
    Code.MERGED: lambda f: f"merged into #{f['into']} by {_by(f)}",
    Code.MERGED_FROM: lambda f: f"#{f['number']} was merged into this by {_by(f)}",
    Code.STEP_TAKEN: _taken,
    Code.STEP_SKIPPED: _skipped,
    Code.PAGE_ACCEPTED: lambda f: f"{_page(f)}: accepted",
    Code.PAGE_FAILED: lambda f: f"{_page(f)} failed: {f['error']}",
    Code.PAGE_RETRIED: lambda f: f"{_page(f)} failed, will retry: {f['error']}",
    Code.PAGE_WITHDRAWN: lambda f: f"{_page(f)} withdrawn: {_why(f)}",
    Code.STARTED_AGAIN: "escalation restarts at step 1",
    Code.NOT_TRIGGERED: "the incident was no longer triggered",
    Code.ACCEPTED: "accepted by {channel}",
    Code.ALL_FAILED: _failed,
    Code.BREACH: lambda f: f"no notification accepted for {f['target'].replace(':', ' ', 1)}: {_failed(f)}",
}


AUDITED = {
    "check.accept": "accepted the baseline of",
    "check.pause": "paused",
    "check.resume": "resumed",
    "check.run": "ran",
    "check.try": "tried settings of",
    "config.apply": "applied",
    "heartbeat.create": "created",
    "heartbeat.pause": "paused",
    "heartbeat.remove": "removed",
    "heartbeat.resume": "resumed",
    "heartbeat.update": "changed",
    "incident.assigned": "assigned",
    "incident.escalated": "escalated",
    "incident.merged_from": "merged another incident into",
    "incident.note": "added a note to",
    "incident.paged": "paged someone with",
    "incident.undone": "undid the last change of",
    "integration.add": "created",
    "integration.rotate": "rotated the key of",
    "oncall.edit": "changed",
    "oncall.override": "created an override in",
    "oncall.remove": "deleted",
    "session.end": "ended a session of",
    "session.end_all": "ended all sessions of",
    "token.make": "created an API token of",
    "token.revoke": "revoked an API token of",
    "user.contacts": "changed the contacts of",
    "user.invite": "invited",
    "user.password": "changed the password of",
    "user.remove": "removed",
    "user.settings": "changed the notification settings of",
}
OBJECTS = {"incident:": "incident #", "config:": "configuration version ", "override:": "override #"}


def audited(action: str, object_: str) -> str:
    """A line of the audit log in words: `resolved incident #42`, `invited user ada`."""
    verb = AUDITED.get(action) or action.rpartition(".")[2].replace("_", " ")
    kind = next((one for one in OBJECTS if object_.startswith(one)), "")
    return f"{verb} {OBJECTS[kind]}{object_.removeprefix(kind)}" if kind else f"{verb} {object_.replace(':', ' ', 1)}"


def text(reason: Reason) -> str:
    """The reason in words; of a code that this release does not know, the code."""
    try:
        phrase = PHRASES.get(reason.code) or _of_kind(reason.code)
        if phrase is not None:
            return phrase(reason.facts) if callable(phrase) else phrase.format_map(reason.facts)
    except Exception as error:  # noqa: BLE001 - facts of another release, a broken file of a kind: the page goes out, and it is logged
        _log_unreadable(str(reason.code), f"{type(error).__name__}: {error}")
    return str(reason.facts.get("text") or reason.code)


@lru_cache(maxsize=1000)
def _log_unreadable(code: str, error: str) -> None:
    """Once for each: a console renders the same reasons again and again."""
    log.error("reason_unreadable", code=code, error=error)


def _of_kind(code: str) -> Phrase | None:
    """The phrase that a kind of rule has for its own code, `KIND.BRANCH`; None for a kind or a code that is gone."""
    kind, dot, _ = code.partition(".")
    if not dot or not plugins.exists(plugins.RULE_KINDS, kind):
        return None
    phrases: Mapping[str, Phrase] = plugins.module(plugins.RULE_KINDS, kind).PHRASES
    return phrases.get(code)


def texts(reasons: Iterable[Reason]) -> str:
    """Several reasons in one line, from the general to the particular: `step 1 of 2: ada is named; notify.high`."""
    line, end = "", ""
    for one in reasons:
        line, end = f"{line}{end}{text(one)}", ": " if one.code in STEPS else "; "
    return line


def because(reasons: Iterable[Reason]) -> str:
    """Why a rule or a heartbeat decided so: `no data for 15m: no result`."""
    return ": ".join(text(one) for one in reasons)


class PublicReason(TypedDict):
    """One reason of a decision: code and facts for programs, text for people. Codes are stable, texts may change."""

    code: str
    facts: dict[str, Any]
    text: str


def present_all(reasons: Iterable[Reason]) -> list[PublicReason]:
    """Several reasons, each in its public form."""
    return [present(one) for one in reasons]


def present(reason: Reason) -> PublicReason:
    """The public form."""
    return {"code": str(reason.code), "facts": dict(reason.facts), "text": text(reason)}
