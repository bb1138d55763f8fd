"""One incident: what is it, since when, how bad, what do I do?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Path, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.actions import service as actions
from app.alerts import store as alerts
from app.alerts.model import Alert
from app.catalog import store as catalog
from app.catalog.model import Version
from app.configfile.sections import RUNBOOK, Runbook
from app.configfile.touch import Concern, touching
from app.errors import Invalid, NotFound
from app.escalation import store as escalations
from app.escalation.upcoming import first, quiet, upcoming
from app.incidents import store
from app.incidents.lifecycle import Move, offered
from app.incidents.model import OPEN, Incident
from app.incidents.present import present_event
from app.incidents.search import store as search
from app.incidents.search.model import Search
from app.incidents.service import absent
from app.notify import store as notices
from app.notify.model import Attempt, Kind, Page
from app.people import store as people
from app.people.model import Actor, Directory
from app.reason import Reason
from app.review.choices import person_choices, step_choices
from app.rules import in_force
from app.units import parse_duration
from app.web import history
from app.web.board import Row
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Kept, Typed, Visit, go, local_path, visit
from app.web.wall import morning
from app.wording import texts

router = pages()
Number = Annotated[int, Path(ge=1, lt=2**63)]
SHORT = 40  # timeline lines shown at first
ASSIGNEES = 60  # people shown to choose from; the others are found by name
ALERTS = 8  # alerts shown at first: notes and timeline stay in reach
CHANGES = timedelta(minutes=30)  # a configuration change this soon before an incident may be its cause


@dataclass(frozen=True, slots=True)
class SentPage:
    """One page sent, or to be sent, with its attempts."""

    page: Page
    attempts: Sequence[Attempt]

    @property
    def trouble(self) -> str | None:
        """What the last attempt complained of."""
        return next((one.error for one in reversed(self.attempts) if one.error), None)


@router.get("/incidents/{number}")
def show(request: Request, number: Number, all: bool = False) -> Response:
    """Everything about it on one page."""
    with visit(request) as v:
        incident = store.get(v.db, number)
        if incident is None:
            raise absent(v.db, number)
        of_it = alerts.of_incidents(v.db, [number])
        lines = [present_event(line) for line in reversed(store.timeline(v.db, number))]
        sent = _sent_pages(v.db, number)
        escalation = escalations.get(v.db, number)
        steps = upcoming(v.db, incident, escalation, v.now)
        return v.page(
            "incident.html",
            incident=incident,
            alerts=of_it if all else of_it[:ALERTS],
            hidden_alerts=0 if all else max(0, len(of_it) - ALERTS),
            lines=lines if all else lines[:SHORT],
            hidden_lines=0 if all else max(0, len(lines) - SHORT),
            sent=sent,
            why=_why(sent, v.person.login),
            steps=steps,
            quiet=quiet(v.db, incident, steps),
            waiting_pages=_held(incident, sent),
            row=Row(incident, first(steps)),
            runbook=_runbook(v.db, incident.runbook),
            changes=_changes(v.db, incident, of_it),
            graphs=history.of_alerts(v.db, of_it, incident, v.now, v.zone),
            others=_others(v, incident),
            assignable=_assignable(v.db),
            place=escalation.place if escalation else "",
            choices=step_choices(v.db, incident, v.now) if v.may("respond") else [],
            morning=morning(v.now, v.zone),
        )


@router.get("/incidents/{number}/assign")
def assignees(request: Request, number: Number, q: Annotated[str, Query(max_length=128)] = "") -> Response:
    """Possible assignees, the service's team first: how each would be paged, and when."""
    with visit(request) as v:
        incident = store.get(v.db, number)
        if incident is None:
            raise absent(v.db, number)
        directory = people.directory(v.db, "UTC")
        logins = team_first(directory, incident.team, q)
        return v.page(
            "assign.html",
            incident=incident,
            choices=person_choices(v.db, incident, logins[:ASSIGNEES], v.person.login, v.now),
            titles={login: directory.people[login].title for login in logins},
            more=max(0, len(logins) - ASSIGNEES),
            q=q,
        )


def team_first(directory: Directory, team: str | None, words: str = "") -> list[str]:
    """Everybody who can be paged and whose name contains these words, members of the team first."""
    members = directory.teams[team].members if team and team in directory.teams else ()
    able = sorted(directory.pageable, key=lambda login: (login not in members, login))
    sought = words.casefold().strip()
    return [login for login in able if sought in login.casefold() or sought in directory.people[login].title.casefold()]


@router.post("/incidents/{number}/{action}")
def act(request: Request, number: Number, action: str, typed: Typed, kept: Kept) -> Response:
    """Do one action; the toast on the next page can undo it."""
    back = local_path(typed.get("back"), f"/incidents/{number}")
    with visit(request) as v:
        if action == "merge":
            into = _number(typed.get("into", ""))
            actions.merge(v.db, number, into, v.actor, v.now)
            return go(f"/incidents/{into}", Toast.action("merged", into))
        if action not in ACTIONS:
            raise NotFound(f'unknown action "{action}"')
        said, do = ACTIONS[action]
        after = do(v, number, typed)
        said = "restored" if action == "undo-resolve" and after.acknowledged_at else said
        undoable = can_take_back(action, after, v.now) and (action not in OWN or actions.can_undo(v.db, number, v.actor, v.now))
        toast = Toast.action(said, number) if undoable else Toast.plain(f"#{number} is {said}")
    return go(back, toast, kept)


def can_take_back(action: str, after: Incident, now: datetime) -> bool:
    """Whether what undoes an action takes back this action alone, and no acknowledgement that was there before it."""
    return action not in ("acknowledge", "snooze") or after.acknowledged_at == now


Action = Callable[[Visit, int, Mapping[str, str]], Incident]


def _plain(action: Callable[[Connection, int, Actor, datetime], Incident]) -> Action:
    return lambda v, number, _: action(v.db, number, v.actor, v.now)


def snooze_length(v: Visit, wanted: str) -> timedelta:
    """`1h`, or until the next `morning` where the person lives. Raises Invalid."""
    try:
        return morning(v.now, v.zone) - v.now if wanted == "morning" else parse_duration(wanted)
    except ValueError as error:
        raise Invalid(str(error)) from None


def _snooze(v: Visit, number: int, typed: Mapping[str, str]) -> Incident:
    return actions.snooze(v.db, number, snooze_length(v, typed.get("for", "")), v.actor, v.now)


def _step(typed: Mapping[str, str]) -> int | None:
    step = typed.get("step", "")
    if step and not (step.isascii() and step.isdecimal() and len(step) < 5):
        raise Invalid(f'"{step[:20]}" is not a step')
    return int(step) if step else None


def _escalate(v: Visit, number: int, typed: Mapping[str, str]) -> Incident:
    return actions.escalate(v.db, number, v.actor, v.now, _step(typed), typed.get("place"))


OWN = ("escalate", "assign")  # what is undone only by whoever did it, while nothing has followed
ACTIONS: Mapping[str, tuple[str, Action]] = {
    "acknowledge": ("acknowledged", _plain(actions.acknowledge)),
    "resolve": ("resolved", _plain(actions.resolve)),
    "reopen": ("reopened", _plain(actions.reopen)),
    "undo-resolve": ("reopened", _plain(actions.undo_resolve)),
    "unacknowledge": ("unacknowledged", _plain(actions.release)),
    "escalate": ("escalated", _escalate),
    "undo": ("undone", _plain(actions.undo)),
    "snooze": ("snoozed", _snooze),
    "note": ("noted", lambda v, number, typed: actions.note(v.db, number, typed.get("text", ""), v.actor, v.now)),
    "assign": ("assigned", lambda v, number, typed: actions.assign(v.db, number, typed.get("user", ""), v.actor, v.now)),
}


def _number(text: str) -> int:
    digits = text.strip().removeprefix("#")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
        raise Invalid(f'"{text}" is not an incident number; use 42 or #42')
    return int(digits)


def _sent_pages(db: Connection, number: int) -> list[SentPage]:
    found = notices.of_incidents(db, [number])
    attempts = notices.attempts(db, [page.id for page in found])
    return [SentPage(page, attempts[page.id]) for page in reversed(found)]


def _held(incident: Incident, sent: Sequence[SentPage]) -> dict[str, Reason]:
    """Who was paged for it as it stands, and whose pages wait: by their name, with the reason."""
    now = [one.page for one in sent if one.page.generation == incident.generation and one.page.kind is Kind.PAGE]
    return {page.user or page.channel: page.held for page in now if page.held} if incident.open else {}


def _why(sent: Sequence[SentPage], login: str) -> dict[str, list[Page]]:
    """My pages about it by their reason, newest first."""
    reasons: dict[str, list[Page]] = {}
    for one in sent:
        if one.page.user == login and one.page.kind is Kind.PAGE:
            reasons.setdefault(texts(one.page.reasons), []).append(one.page)
    return reasons


def _runbook(db: Connection, name: str | None) -> tuple[str, Runbook] | None:
    found = catalog.declared(db, RUNBOOK, Runbook).get(name) if name else None
    return (name, found) if name and found else None


def _changes(db: Connection, incident: Incident, of_it: Sequence[Alert]) -> list[Version]:
    """Versions of the configuration applied shortly before, with what they changed that touches it."""
    found = catalog.versions_between(db, incident.opened_at - CHANGES, incident.opened_at)
    if not found:
        return []
    return touching(found, Concern(incident, of_it, {one.name: one for one in in_force.book(db).rules}))


def _others(v: Visit, incident: Incident) -> list[Incident]:
    """Open incidents it could be merged into."""
    if Move.MERGE not in offered(incident) or not v.may("respond"):
        return []
    found = search.found(v.db, Search(OPEN), limit=51)
    return [one for one in found if one.number != incident.number]


def _assignable(db: Connection) -> list[str]:
    return sorted(people.directory(db, "UTC").pageable)
