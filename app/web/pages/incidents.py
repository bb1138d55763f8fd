"""Incidents: the list, with its filter in the URL; acting on many at once."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.actions import service as actions
from app.catalog import store as catalog
from app.catalog.filter import parsed
from app.catalog.model import Severity
from app.db import transaction
from app.errors import Busy, Conflict, Invalid, NotFound
from app.incidents.model import OPEN, Incident, IncidentState
from app.incidents.search.model import Order, Search, parse_position
from app.people import store as people
from app.people.model import Actor
from app.units import counted
from app.web.board import MOST, Page, board
from app.web.pages.incident import can_take_back, snooze_length
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import Kept, Typed, Visit, go, local_path, visit

router = pages()
PAGE = 50
STATES = {"open": OPEN, **{state.value: (state,) for state in IncidentState}, "all": ()}
WHOSE = {"": "everyone", "mine": "mine", "teams": "my teams"}
ORDERS = {Order.WORST: "worst first", Order.NEWEST: "newest first", Order.OLDEST: "oldest first"}
LONGEST = 18  # digits of a number typed into a URL


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for, as it stands in the URL."""

    state: str
    view: str
    severity: str
    service: str
    q: str
    sort: str  # empty: worst first where all are open, else newest first

    @property
    def order(self) -> Order:
        return Order(self.sort) if self.sort else Order.WORST if self.state in ("open", "triggered") else Order.NEWEST

    @property
    def narrow(self) -> bool:
        """Whether more than the state is asked for."""
        return bool(self.view or self.severity or self.service or self.q)

    def url(self, **changed: str) -> str:
        """The list with this filter, a part of it changed."""
        own = {name: getattr(self, name) for name in ("state", "view", "severity", "service", "q", "sort")}
        return "/incidents?" + urlencode({name: value for name, value in {**own, **changed}.items() if value})

    def of_service(self, service: str | None) -> str:
        """The list with this filter, of one service."""
        return self.url(service=service) if service else self.url(q='service=""')


def of_service(service: str | None) -> str:
    """The open incidents of one service."""
    return Filter("open", "", "", "", "", "").of_service(service)


@router.get("/incidents")
def listed(
    request: Request,
    page: Page,
    state: str = "open",
    view: str = "",
    severity: str = "",
    service: str = "",
    q: str = "",
    sort: str = "",
    after: str = "",
) -> Response:
    """A page of matching incidents; an invalid filter shows its error and finds nothing."""
    wanted = Filter(
        state if state in STATES else "all",
        view if view in WHOSE else "",
        severity if severity in list(Severity) else "",
        service,
        q.strip(),
        sort if sort in list(Order) else "",
    )
    with visit(request) as v:
        place = parse_position(after, wanted.order) if after else None
        try:
            found, error = board(v.db, _search(v, wanted, severity), v.now, PAGE, place, page), ""
        except Invalid as invalid:
            found, error = None, str(invalid)
        return v.page(
            "incidents.html",
            board=found,
            error=error,
            filter=wanted,
            first=not after,
            older=wanted.url(after=str(found.next)) if found and found.next else None,
            states=STATES,
            views=WHOSE,
            orders=ORDERS,
            severities=list(Severity),
            services_known=list(catalog.services(v.db)),
        )


def _search(v: Visit, wanted: Filter, severity: str) -> Search:
    """What the filter asks for. Raises Invalid for what cannot be read in it."""
    if severity != wanted.severity:
        raise Invalid(f'unknown severity "{severity}"; use one of {", ".join(Severity)}')
    matchers, words = parsed(wanted.q)
    equal = {name: value for name, value in (("severity", wanted.severity), ("service", wanted.service)) if value}
    teams = people.directory(v.db, "UTC").teams_of(v.person.login) if wanted.view == "teams" else None
    person = v.person.login if wanted.view == "mine" else None
    return Search(STATES[wanted.state], equal, teams, person, words, matchers, wanted.order)


async def chosen(request: Request) -> tuple[int, ...]:
    """The incidents that are ticked, or those of an undo's address; each once, oldest first. Raises Invalid for too many."""
    form = await request.form(max_fields=200)
    texts = [*form.getlist("number"), *request.query_params.getlist("number")]
    digits = {one for one in texts if isinstance(one, str) and one.isascii() and one.isdecimal() and len(one) <= LONGEST}
    if len(digits) > MOST:
        raise Invalid(f"too many incidents: {len(digits)}; select at most {MOST} at once")
    return tuple(sorted({int(one) for one in digits}))


@router.post("/incidents/bulk/{action}")
def act_on_many(
    request: Request, action: str, numbers: Annotated[tuple[int, ...], Depends(chosen)], typed: Typed, kept: Kept
) -> Response:
    """Do one action to each, in its own transaction: a conflict with one does not stop the others."""
    back = local_path(typed.get("back"), "/incidents")
    with visit(request) as v:
        actor, now = v.actor, v.now
        length = snooze_length(v, typed.get("for", "1h")) if action == "snooze" else timedelta(0)
    if action not in BULK:
        raise NotFound(f'unknown action "{action}"')
    if not numbers:
        raise Invalid("no incident is selected; select one or more")
    if action == "merge" and len(numbers) < 2:
        raise Invalid("select two or more incidents to merge")
    wanted = numbers[1:] if action == "merge" else numbers
    done: list[Incident] = []
    for number in wanted:
        with suppress(Conflict, NotFound, Busy):
            with transaction() as db:
                after = BULK[action][1](db, number, actor, now, length, numbers[0])
            done.append(after)
    return go(back, _outcome(action, wanted, done, numbers[0], now), kept)


def _outcome(action: str, wanted: tuple[int, ...], done: list[Incident], into: int, now: datetime) -> Toast:
    """The outcome. Acknowledgements from before this action are not counted, and not undone."""
    word = BULK[action][0]
    if action == "merge":
        unchanged = len(wanted) - len(done)
        rest = f"; {counted(unchanged, 'incident')} unchanged" if unchanged else ""
        return Toast.plain(f"Merged into #{into}{rest}" if done else "Nothing merged: already changed")
    if action == "undo-resolve" and all(one.acknowledged_at for one in done):
        word = "restored"
    own = [one.number for one in done if can_take_back(action, one, now)]
    if action == "acknowledge" or len(own) == len(done):
        return Toast.actions(word, own, len(wanted) - len(own))
    return Toast.plain(Toast.actions(word, [one.number for one in done], len(wanted) - len(done)).text)


Do = Callable[[Connection, int, Actor, datetime, timedelta, int], Incident]
BULK: Mapping[str, tuple[str, Do]] = {
    "acknowledge": ("acknowledged", lambda db, number, actor, now, _length, _into: actions.acknowledge(db, number, actor, now)),
    "unacknowledge": ("unacknowledged", lambda db, number, actor, now, _length, _into: actions.release(db, number, actor, now)),
    "resolve": ("resolved", lambda db, number, actor, now, _length, _into: actions.resolve(db, number, actor, now)),
    "reopen": ("reopened", lambda db, number, actor, now, _length, _into: actions.reopen(db, number, actor, now)),
    "undo-resolve": ("reopened", lambda db, number, actor, now, _length, _into: actions.undo_resolve(db, number, actor, now)),
    "snooze": ("snoozed", lambda db, number, actor, now, length, _into: actions.snooze(db, number, length, actor, now)),
    "merge": ("merged", lambda db, number, actor, now, _length, into: actions.merge(db, number, into, actor, now)),
}
