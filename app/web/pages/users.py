"""Users: who they are, how they are reached, and when they are on call."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.catalog.filter import filtered
from app.errors import NotFound
from app.incidents.model import OPEN
from app.incidents.search.model import Order, Search
from app.oncall import service as oncall
from app.people import store
from app.people.model import AuditEntry, Person
from app.web.board import Page, board
from app.web.profile import profile, shifts
from app.web.route import pages
from app.web.visit import Visit, visit

router = pages()
MOST, INCIDENTS = 100, 5


@dataclass(frozen=True, slots=True)
class Row:
    """One user as a row."""

    person: Person
    origin: str | None  # None: invited
    teams: tuple[str, ...]
    on_call: tuple[str, ...]  # schedules, now

    @property
    def labels(self) -> dict[str, str]:
        """What a search sees of them."""
        return {
            "user": self.person.login, "name": self.person.title, "role": self.person.role.value, "team": ",".join(self.teams),
            "on_call": ",".join(self.on_call), "declared": "yes" if self.person.declared else "no",
        }  # fmt: skip


@router.get("/users")
def listed(request: Request, q: str = "") -> Response:
    """Everybody who can log in or be paged."""
    with visit(request) as v:
        everybody = sorted(rows(v), key=lambda row: (not row.on_call, row.person.title.lower(), row.person.login))
        found, error = filtered(q, everybody, lambda row: row.labels)
        return v.page("users.html", rows=found[:MOST], found=len(found), total=len(everybody), q=q, error=error)


@router.get("/users/{login}")
def show(request: Request, login: str, page: Page) -> Response:
    """One user; the addresses of their contacts are for them and for admins."""
    with visit(request) as v:
        person = store.get(v.db, login, catalog.defaults(v.db).timezone)
        if person is None:
            raise NotFound(f'user not found: "{login}"')
        wanted = Search(OPEN, person=login, order=Order.WORST)
        on_call = {name: on for name, on in oncall.who(v.db, v.now).items() if login in on.users}
        return v.page(
            "user.html",
            user=person,
            profile=profile(v.db, person, v.now),
            invited=None if person.declared else _invited(v, login),
            addresses=login == v.person.login or v.may("administer"),
            on_call=on_call,
            shifts=shifts(v.db, login, v.now),
            schedules=[name for name, users in oncall.eligible(v.db, v.now).items() if login in users],
            policies=[name for name, one in catalog.policies(v.db).items() if f"user:{login}" in one.targets],
            board=board(v.db, wanted, v.now, INCIDENTS, page=page, by_service=False),
        )


def rows(v: Visit) -> list[Row]:
    """Everybody, with what they are in."""
    directory = store.directory(v.db, catalog.defaults(v.db).timezone)
    origins, held = catalog.origins(v.db, "user"), _held(v)
    return [
        Row(person, origins.get(login) if person.declared else None, directory.teams_of(login), held.get(login, ()))
        for login, person in directory.people.items()
    ]


def _held(v: Visit) -> Mapping[str, tuple[str, ...]]:
    """The schedules that each login is on call in now."""
    found: dict[str, tuple[str, ...]] = {}
    for name, on in oncall.who(v.db, v.now).items():
        for login in on.users:
            found[login] = (*found.get(login, ()), name)
    return found


def _invited(v: Visit, login: str) -> AuditEntry | None:
    """The invitation that they came by, the last of several."""
    lines = store.audited(v.db, object_=f"user:{login}", action="user.invite", limit=1)
    return lines[0] if lines else None
