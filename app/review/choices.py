"""What escalating an incident would page, by the line's own decisions: its next step, each later one, or a person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from typing_extensions import TypedDict

from app.catalog import store as catalog
from app.escalation import service as escalation
from app.escalation import store as escalations
from app.escalation.ahead import ahead
from app.escalation.model import EscalationState
from app.escalation.plan import Step, hurried, left, out_of_turn, recipients
from app.escalation.request import page_request
from app.escalation.upcoming import terms_of
from app.escalation.upcoming import who_at as people_at
from app.incidents.lifecycle import Move, not_paged, offered
from app.incidents.model import Incident
from app.notify.model import Draft
from app.notify.service import drafts
from app.people import store as people
from app.people.model import Directory
from app.reason import Code, Reason
from app.review.preview import PublicMessage, channel_kinds, message
from app.walltime import stamp
from app.wording import texts


@dataclass(frozen=True, slots=True)
class Recipient:
    """One who would be paged, and over what. user: None for a channel."""

    user: str | None
    pages: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to escalate to, and every page it would lead to at once. steps: excused ones first."""

    step: int | None  # counts from 1; None: a person, or the last resort of a policy that is exhausted
    user: str | None  # who would be assigned
    steps: tuple[Step, ...]
    pages: tuple[Draft, ...]
    note: Reason | None = None  # why nobody would be paged

    @property
    def users(self) -> tuple[str, ...]:
        """Who would be paged, each once."""
        return tuple(dict.fromkeys(one.user or f"channel {one.channel}" for one in self.pages))

    def by_person(self) -> list[Recipient]:
        """The pages of each who would be paged."""
        found: dict[str, list[Draft]] = {}
        for one in self.pages:
            found.setdefault(one.user or f"channel {one.channel}", []).append(one)
        return [Recipient(pages[0].user, tuple(pages)) for pages in found.values()]

    @property
    def reasons(self) -> list[Reason]:
        """Which step it is, and why it reaches whom it reaches."""
        if self.note:
            return [self.note]
        return [one for step in self.steps for one in (step.reason, *(target.reason for target in step.targets))]


class PublicChoice(TypedDict):
    """Something to escalate to: a `step`, a `user` to assign, or neither: the last resort. `pages`: what it would send."""

    step: int | None
    user: str | None
    users: list[str]
    reason: str
    pages: list[PublicMessage]


def step_choices(db: Connection, incident: Incident, now: datetime) -> list[Choice]:
    """The next step and each later one of this round; nothing for an incident that cannot be escalated."""
    current = escalations.get(db, incident.number)
    if Move.ESCALATE not in offered(incident) or current is None:
        return []
    directory, terms = _directory(db), terms_of(db, incident)
    who = people_at(db, terms, directory)(now)
    found = []
    for number in left(incident.policy, current):
        steps = list[Step]()
        for one in ahead(terms, hurried(incident.policy, current, now, number), now, lambda _: who):
            steps.append(one.step)
            if not one.step.excused:
                break
        found.append(Choice(number, None, tuple(steps), _pages(incident, steps, directory, now)))
    return found


def person_choices(db: Connection, incident: Incident, logins: Iterable[str], by: str | None, now: datetime) -> list[Choice]:
    """Each of these people, as `by` would assign them; those who cannot be paged, and whoever is unknown, are left out."""
    if Move.ASSIGN not in offered(incident):
        return []
    directory = _directory(db)
    able = [login for login in dict.fromkeys(logins) if login in directory.pageable]
    who = escalation.resolve(db, {f"user:{login}" for login in able}, directory, now)
    asked = escalation.assignee_is_asked(db, incident, now)
    started = EscalationState.started(incident.number, incident.generation, now)
    found = []
    for login in able:
        if code := not_paged(incident, login, by, asked):
            found.append(Choice(None, login, (), (), Reason(code, {"user": login})))
            continue
        why = Reason(Code.ASSIGNED, {"by": by, "via": "", "to": login})
        steps = out_of_turn(incident.policy, who[f"user:{login}"], why, started, now).steps
        found.append(Choice(None, login, steps, _pages(incident, steps, directory, now)))
    return found


def present_choices(db: Connection, choices: Sequence[Choice]) -> list[PublicChoice]:
    """The public form."""
    kinds = channel_kinds(db)
    return [
        {
            "step": one.step,
            "user": one.user,
            "users": list(one.users),
            "reason": texts(one.reasons),
            "pages": [message(page, kinds) for page in one.pages],
        }
        for one in choices
    ]


def choice_lines(choice: PublicChoice) -> list[str]:
    """A choice as lines for a terminal: what it is, then each page."""
    what = f"assign {choice['user']}" if choice["user"] else f"step {choice['step']}" if choice["step"] else "last resort"
    lines = [f"{what}: {', '.join(choice['users']) or 'nobody'} ({choice['reason']})"]
    for one in choice["pages"]:
        whom = f"{one['user']} via {one['contact']}" if one["user"] else f"channel {one['channel']}"
        lines.append(f"  {stamp(one['at'])}  {whom}: {one['reason']}")
    return lines


def _pages(incident: Incident, steps: Sequence[Step], directory: Directory, now: datetime) -> tuple[Draft, ...]:
    requests = [page_request(incident, step, target, user) for step in steps for target, user in recipients(step)]
    made = {one.key: one for one in drafts([request for request in requests if request is not None], directory, now)}
    return tuple(sorted(made.values(), key=lambda one: one.due_at))


def _directory(db: Connection) -> Directory:
    return people.directory(db, catalog.defaults(db).timezone)
