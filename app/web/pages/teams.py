"""Teams: members, and the state of their services."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.catalog.matcher import Matcher, Op
from app.errors import NotFound
from app.incidents.model import OPEN
from app.incidents.search.model import Order, Search
from app.oncall import service as oncall
from app.people import store as people
from app.people.model import Directory, Team
from app.web.board import Page, board
from app.web.route import pages
from app.web.standing import Standing, standings
from app.web.visit import Visit, visit

router = pages()
INCIDENTS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One team as a row."""

    name: str
    team: Team
    origin: str | None
    services: tuple[Standing, ...]  # the worst first
    on_call: tuple[str, ...]  # members who are now


@router.get("/teams")
def listed(request: Request) -> Response:
    """Every team, those with open incidents first."""
    with visit(request) as v:
        directory = _directory(v)
        rows = _rows(v, directory, directory.teams)
        return v.page("teams.html", rows=sorted(rows, key=lambda row: (not any(one.open for one in row.services), row.name)))


@router.get("/teams/{name}")
def show(request: Request, name: str, page: Page) -> Response:
    """One team: its open incidents, services, members and schedules."""
    with visit(request) as v:
        directory = _directory(v)
        if name not in directory.teams:
            raise NotFound(f'team not found: "{name}"')
        (row,) = _rows(v, directory, {name: directory.teams[name]})
        wanted = Search(OPEN, teams=(name,), order=Order.WORST)
        return v.page(
            "team.html",
            row=row,
            query=str(Matcher("team", Op.EQUAL, name)),
            persons=directory.people,
            board=board(v.db, wanted, v.now, INCIDENTS, page=page, by_service=False),
            schedules=_schedules(v, row.team),
            policies=[one for one, policy in catalog.policies(v.db).items() if f"team:{name}" in policy.targets],
        )


def _directory(v: Visit) -> Directory:
    return people.directory(v.db, catalog.defaults(v.db).timezone)


def _rows(v: Visit, directory: Directory, teams: Mapping[str, Team]) -> list[Row]:
    origins, services = catalog.origins(v.db, "team"), sorted(standings(v.db, v.now).values(), key=lambda one: one.order)
    held = {user for on in oncall.who(v.db, v.now, directory.pageable).values() for user in on.users}
    return [
        Row(
            name,
            team,
            origins.get(name),
            tuple(one for one in services if one.spec.team == name),
            tuple(login for login in team.members if login in held),
        )
        for name, team in teams.items()
    ]


def _schedules(v: Visit, team: Team) -> list[tuple[str, tuple[str, ...]]]:
    """The schedules in which members are on call at some time, each with who is now."""
    eligible, now = oncall.eligible(v.db, v.now), oncall.who(v.db, v.now)
    return [(name, now[name].users) for name, users in eligible.items() if set(users) & set(team.members)]
