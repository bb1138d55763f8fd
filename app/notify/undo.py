"""The pages of what somebody undoes: unsent ones are withdrawn, and whoever was reached is notified; others go on.

The caller has locked the incident, and given it a new generation where it is triggered.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, replace
from datetime import datetime

from sqlalchemy import Connection

from app.incidents.model import Incident
from app.notify import service, store
from app.notify.model import REACHED, Draft, Kind, Page, PageState
from app.people.model import INBOX
from app.reason import Reason

ON_ITS_WAY = (PageState.QUEUED, PageState.SENDING)


def call_off(
    db: Connection, incident: Incident, generation: int, obligations: Sequence[int], why: Reason, now: datetime
) -> None:
    """Withdraw the pages of this generation that serve these obligations; the others are of the incident's from now on."""
    store.call_off(db, incident.number, generation, incident.generation, obligations, now)
    _notify(db, incident, generation, {incident.generation}, why, now)


def withdraw_all(db: Connection, incident: Incident, generation: int, why: Reason, now: datetime) -> None:
    """Withdraw every page: it is acknowledged again. generation: of those that are undone."""
    service.supersede(db, [incident.number], now)
    _notify(db, incident, generation, set(), why, now)


def unserved(db: Connection, obligations: Sequence[int]) -> set[int]:
    """Those of these obligations whose pages had reached nobody when they were taken back, and could be sent again."""
    pages: dict[int, list[Page]] = defaultdict(list)
    for page in store.of_obligations(db, obligations):
        pages[page.obligation or 0].append(page)
    return {id_ for id_, of_one in pages.items() if _unserved([one for one in of_one if one.channel != INBOX] or of_one)}


def _unserved(telling: Sequence[Page]) -> bool:
    states = {page.state for page in telling}
    return not states & {*REACHED} and bool(states & {*ON_ITS_WAY, PageState.SUPERSEDED})


def put_back(
    db: Connection, incident: Incident, before: int, promised: Mapping[int, int], at: datetime, why: Reason, now: datetime
) -> None:
    """Withdraw the page to an assignee, and queue again what assigning, at `at`, took back of generation `before`.

    promised: the obligations that were made again, by those in whose place they are.
    """
    pages = store.of_incidents(db, [incident.number])
    service.supersede(db, [incident.number], now)
    again = [page for page in pages if page.kind is Kind.PAGE and page.generation == before and _taken_back(page, promised, at)]
    service.put(db, [_again(page, incident.generation, promised) for page in again], now)
    _notify(db, incident, before + 1, {before, incident.generation}, why, now)


def _taken_back(page: Page, promised: Mapping[int, int], at: datetime) -> bool:
    """Whether assigning took it back, or will: one that was on its way then."""
    if page.state is PageState.SUPERSEDED:
        return page.ended_at is not None and page.ended_at >= at
    return page.state in ON_ITS_WAY and (page.obligation in promised or page.breached is not None)


def _again(page: Page, generation: int, promised: Mapping[int, int]) -> Draft:
    values = {one.name: getattr(page, one.name) for one in fields(Draft)}
    obligation = promised.get(page.obligation or 0, page.obligation)
    return replace(Draft(**values), key=f"{page.key}~{generation}", generation=generation, obligation=obligation)


def _notify(db: Connection, incident: Incident, undone: int, asked: Set[int], why: Reason, now: datetime) -> None:
    """An update to whom pages of the undone generation have reached, unless a page of the generations `asked` is theirs too."""
    pages = [page for page in store.of_incidents(db, [incident.number]) if page.kind is Kind.PAGE]
    still = {page.user or page.channel for page in pages if page.generation in asked}
    reached = service.received([page for page in pages if page.generation == undone])
    called_off = [page for page in reached if (page.user or page.channel) not in still]
    service.put(db, [service.notice(page, Kind.UPDATE, incident, "undone", now, why) for page in called_off], now)
