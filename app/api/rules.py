"""Rules: the active ones and their state."""

from fastapi import Response

from app.api.answer import after, listed
from app.api.caller import router
from app.api.field import SMALL_LIST, Cursor, Limit
from app.api.forms import Listed
from app.db import transaction
from app.review.rulebook import PublicRule, rulebook

routes = router("rules")


@routes.get("/rules", response_model=Listed[PublicRule])
def rules(cursor: Cursor = None, limit: Limit = SMALL_LIST) -> Response:
    """List rules by name with the state of each of their series; `check:NAME` is the `alert:` of a check."""
    last = after(cursor) or ""
    with transaction() as db:
        rows = [row for row in rulebook(db) if row["name"] > last]
    return listed(rows[: limit + 1], limit, lambda row: row["name"], lambda row: row)
