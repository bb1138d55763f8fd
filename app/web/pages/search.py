"""Search: by name, words and labels."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app import units
from app.catalog import store as catalog
from app.catalog.filter import fits, parsed
from app.catalog.matcher import Matchers
from app.checks import service as checks
from app.checks import store as check_states
from app.checks.heartbeats import store as heartbeats
from app.checks.heartbeats.present import searched, view
from app.checks.select import labels as check_labels
from app.configfile.sections import RUNBOOK, Runbook
from app.errors import Invalid
from app.incidents import store as incident_store
from app.incidents.search import store as incidents
from app.incidents.search.model import Order, Search
from app.oncall import service as oncall
from app.people import store as people
from app.rules import in_force
from app.web.board import Row, rows
from app.web.pages import users
from app.web.route import pages
from app.web.rulebook import rows_of
from app.web.standing import standings
from app.web.template import path
from app.web.visit import Visit, visit

router = pages()
EACH = 8  # results of a kind
_NUMBER = re.compile(r"#([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Result:
    """Something that was found: where it is, and a line about it."""

    name: str
    to: str
    about: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What of one kind was found, the best fit first."""

    title: str
    results: tuple[Result, ...]
    found: int


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that may be found by its name, by words about it, or by its labels."""

    result: Result
    labels: dict[str, str]


@router.get("/search")
def search(request: Request, q: str = "") -> Response:
    """Incidents by number, words and the labels of their alerts; everything else by its name and what is said of it."""
    wanted = q.strip()
    with visit(request) as v:
        number = _NUMBER.fullmatch(wanted)
        if number and incident_store.get(v.db, int(number[1])) is not None:
            return RedirectResponse(f"/incidents/{number[1]}", 303)
        error, total = "", 0
        found: tuple[Row, ...] = ()
        kinds: list[Kind] = []
        try:
            matchers, words = parsed(wanted)
            if wanted:
                found, total = _incidents(v, matchers, words)
                kinds = [kind for title, things in _things(v) if (kind := _fitting(title, things, matchers, words)).found]
        except Invalid as invalid:
            error = str(invalid)
        return v.page("search.html", q=wanted, error=error, rows=found, total=total, kinds=kinds)


def _incidents(v: Visit, matchers: Matchers, words: Sequence[str]) -> tuple[tuple[Row, ...], int]:
    """The newest that fit, open or not."""
    wanted = Search(words=tuple(words), matchers=matchers, order=Order.NEWEST)
    return rows(v.db, incidents.found(v.db, wanted, limit=EACH), v.now), incidents.count(v.db, wanted)


def _fitting(title: str, things: Iterator[Thing], matchers: Matchers, words: Sequence[str]) -> Kind:
    """What fits all of it; those whose name begins so first."""
    folded = [word.casefold() for word in words]
    fitting = [one.result for one in things if _fits(one, matchers, words)]
    first = folded[0] if folded else ""
    fitting.sort(key=lambda one: (not one.name.casefold().startswith(first), one.name))
    return Kind(title, tuple(fitting[:EACH]), len(fitting))


def _fits(thing: Thing, matchers: Matchers, words: Sequence[str]) -> bool:
    """As in the list of its kind, but matchers are for what has these labels: `region!="eu"` is not all there is."""
    known = all(one.name in thing.labels for one in matchers)
    return known and fits(matchers, words, thing.labels, (thing.result.name, thing.result.about))


def _things(v: Visit) -> Iterator[tuple[str, Iterator[Thing]]]:
    yield "Services", _services(v)
    yield "Checks", _checks(v)
    yield "Heartbeats", _heartbeats(v)
    yield "Rules", _rules(v)
    yield "Schedules", _schedules(v)
    yield "People and teams", _people(v)
    yield "Policies and channels", _policies(v)
    yield "Runbooks", _runbooks(v)


def _services(v: Visit) -> Iterator[Thing]:
    for one in standings(v.db, v.now).values():
        about = one.spec.description or one.spec.business or (f"team {one.spec.team}" if one.spec.team else "")
        yield Thing(Result(one.name, path("services", one.name), about), one.labels)


def _checks(v: Visit) -> Iterator[Thing]:
    states = check_states.states(v.db)
    for name, one in checks.declared(v.db).items():
        state = states.get(name)
        about = f"{one.probe}: {state.status or 'new'}" if state else one.probe
        yield Thing(Result(name, path("checks", name), about), check_labels(name, one, state))


def _heartbeats(v: Visit) -> Iterator[Thing]:
    for one in (view(record, v.now, "") for record in heartbeats.listed(v.db)):
        yield Thing(Result(one.name, path("heartbeats", one.name), one.state), searched(one))


def _rules(v: Visit) -> Iterator[Thing]:
    for one in rows_of(v.db, in_force.book(v.db).rules):
        about = f"{one.rule.spec.kind} on {one.rule.check_name}: {one.state}"
        yield Thing(Result(one.rule.name, path("rules", one.rule.name), about), one.labels)


def _schedules(v: Visit) -> Iterator[Thing]:
    for name, on in oncall.who(v.db, v.now).items():
        about = f"on call now: {', '.join(on.users) or 'nobody'}"
        yield Thing(Result(name, f"/oncall#{quote(name, safe='')}", about), {"schedule": name})


def _people(v: Visit) -> Iterator[Thing]:
    for one in users.rows(v):
        person = one.person
        yield Thing(Result(person.login, path("users", person.login), f"{person.title}, {person.role.value}"), one.labels)
    for name, team in people.directory(v.db, catalog.defaults(v.db).timezone).teams.items():
        yield Thing(Result(name, path("teams", name), f"team: {', '.join(team.members)}"), {"team": name})


def _policies(v: Visit) -> Iterator[Thing]:
    for name, policy in catalog.policies(v.db).items():
        about = f"policy: {units.counted(len(policy.steps), 'step')}"
        yield Thing(Result(name, f"/policies#{quote(name)}", about), {"policy": name})
    for name, channel in catalog.channels(v.db).items():
        yield Thing(Result(name, f"/channels#{quote(name)}", f"channel: {channel.kind}"), {"channel": name})


def _runbooks(v: Visit) -> Iterator[Thing]:
    for name, one in catalog.declared(v.db, RUNBOOK, Runbook).items():
        yield Thing(Result(name, path("runbooks", name), one.title), {"runbook": name})
