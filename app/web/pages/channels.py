"""Channels: do pages get through, and who uses which?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from app.catalog import store as catalog
from app.configfile.secrets import starred
from app.configfile.sections import PLANNED
from app.notify.arrivals import store as sent
from app.notify.model import LastPage
from app.notify.service import BUILT_IN
from app.people import store as people
from app.people.model import INBOX
from app.web import form
from app.web.route import pages
from app.web.visit import visit

router = pages()


@dataclass(frozen=True, slots=True)
class Row:
    """One channel. settings: without secrets, None for whoever may not see them."""

    name: str
    kind: str
    origin: str | None  # None: built in
    active: bool
    settings: Mapping[str, str] | None
    policies: tuple[str, ...]
    owners: bool  # the platform's owners or its emergency contacts are paged over it
    users: tuple[str, ...]
    arrived: LastPage | None
    failed: LastPage | None

    @property
    def failing(self) -> bool:
        """Whether it failed later than anything arrived."""
        return self.failed is not None and (self.arrived is None or self.failed.at > self.arrived.at)


@router.get("/channels")
def listed(request: Request) -> Response:
    """Every channel; its settings for editors, as with the files of the configuration."""
    with visit(request) as v:
        rows = list(_rows(v.db, v.may("edit")))
        return v.page("channels.html", rows=sorted(rows, key=lambda row: (not row.active, not row.failing)))


def _rows(db: Connection, settings: bool) -> Iterator[Row]:
    declared = list(_declared(db))
    names = [name for name, *_ in declared]
    arrived, failed = sent.last_arrived(db, names), sent.last_failed(db, names)
    policies, platform = catalog.policies(db), catalog.platform(db)
    directory = people.directory(db, "UTC").people.values()
    for name, kind, origin, active, spec in declared:
        target = f"channel:{name}"
        shown = {key: form.written(value) for key, value in starred("channel", spec).items() if key != "kind"}
        yield Row(
            name,
            kind,
            origin,
            active,
            shown if settings else None,
            tuple(policy for policy, one in policies.items() if target in one.targets),
            target in (*platform.owners, *platform.emergency),
            tuple(sorted(one.login for one in directory if any(each.channel == name for each in one.contacts))),
            arrived.get(name),
            failed.get(name),
        )


def _declared(db: Connection) -> Iterator[tuple[str, str, str | None, bool, Mapping[str, Any]]]:
    """Name, kind, origin, whether it is active, and the stored form: the inbox, what is declared, what is only planned."""
    yield INBOX, BUILT_IN.kind, None, True, {}
    for one in catalog.specs(db, "channel"):
        yield one.name, str(one.spec.get("kind")), one.origin, True, one.spec
    for one in catalog.specs(db, PLANNED):
        if one.name.startswith("channel:"):
            yield one.name.removeprefix("channel:"), str(one.spec.get("kind")), one.origin, False, one.spec
