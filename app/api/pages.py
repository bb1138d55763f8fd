"""Pages and the obligations they keep."""

from typing import Annotated

from fastapi import Query, Response

from app.api.answer import before_id, listed
from app.api.caller import router
from app.api.field import LIST, Cursor, Limit, Maybe, MaybeNumber, MaybeText
from app.api.forms import Listed, PublicObligation
from app.db import transaction
from app.escalation import store as escalations
from app.escalation.model import Obligation, ObligationState
from app.notify import store
from app.notify.model import PageState
from app.notify.present import PublicPage, present
from app.wording import present as present_reason
from app.wording import text

routes = router("pages")


@routes.get("/pages", response_model=Listed[PublicPage])
def pages(
    incident: MaybeNumber = None,
    user: MaybeText = None,
    state: Annotated[PageState | None, Maybe, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = LIST,
) -> Response:
    """List pages, newest first, each with its attempts."""
    with transaction() as db:
        rows = store.listed(db, incident=incident, user=user, state=state, before=before_id(cursor), limit=limit + 1)
        attempts = store.attempts(db, [row.id for row in rows])
    return listed(rows, limit, lambda row: row.id, lambda row: present(row, attempts[row.id]))


@routes.get("/obligations", response_model=Listed[PublicObligation])
def obligations(
    state: Annotated[ObligationState | None, Maybe, Query()] = None,
    incident: MaybeNumber = None,
    cursor: Cursor = None,
    limit: Limit = LIST,
) -> Response:
    """List obligations: who each step had to notify and whether it did, newest first."""
    with transaction() as db:
        rows = escalations.obligations(db, state=state, incident=incident, before=before_id(cursor), limit=limit + 1)
    return listed(rows, limit, lambda one: one.id, _obligation)


def _obligation(one: Obligation) -> PublicObligation:
    return {
        "id": one.id,
        "incident": one.incident,
        "generation": one.generation,
        "round": one.round,
        "step": one.step,
        "target": one.target,
        "user": one.user,
        "state": one.state,
        "made_at": one.made_at,
        "reason": text(one.reason) if one.reason else "",
        "reasons": [present_reason(one.reason)] if one.reason else [],
    }
