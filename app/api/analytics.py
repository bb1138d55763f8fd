"""Analytics: what was paged and opened in a range of days, compared with the range before."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from app import clock
from app.api.answer import answer
from app.api.caller import Caller, router
from app.api.field import Maybe, MaybeInstant, MaybeText
from app.db import transaction
from app.people import store as people
from app.review.analytics import service
from app.review.analytics.calendar import asked
from app.review.analytics.model import LONGEST, USUAL, Filter
from app.review.analytics.present import PublicAnalytics, present

routes = router("analytics")
Days = Annotated[
    Annotated[int, Field(ge=1, le=LONGEST)] | None,
    Maybe,
    Query(description=f"number of days, including the day of `to`, in the time zone of the token's user; default: {USUAL}"),
]


@routes.get("/analytics", response_model=PublicAnalytics)
def analytics(
    caller: Caller,
    days: Days = None,
    from_: Annotated[MaybeInstant, Query(alias="from", description="instead of `days`")] = None,
    to: Annotated[MaybeInstant, Query(description="default: now")] = None,
    service_: Annotated[MaybeText, Query(alias="service", description="of the incidents")] = None,
    team: Annotated[MaybeText, Query(description="of the incidents")] = None,
    user: Annotated[MaybeText, Query(description="who was paged")] = None,
) -> Response:
    """Count pages and incidents in [from, to): by day, alert, service, team and user; see `definitions`."""
    with transaction() as db:
        default = service.default_zone(db)
        person = people.get(db, caller.login, default.key) if caller.login else None
        within = asked(days, from_, to, person.zone if person else default, clock.now(db))
        found = service.analytics(db, within, Filter(service=service_, team=team, user=user))
    return answer(present(found))
