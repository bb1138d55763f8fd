"""Me: my notifications, my contact methods, my shifts."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.actions.person import set_contacts, set_settings
from app.catalog import store as catalog
from app.errors import Invalid
from app.incidents import store as incidents
from app.incidents.model import Incident
from app.notify import service as notify
from app.notify import store as notices
from app.notify.model import Page
from app.people import service as people
from app.people import store
from app.people.model import INBOX
from app.people.own import changed
from app.units import counted
from app.web.agent import device
from app.web.own import Draft, read, written
from app.web.pages.login import check_new_password, check_old_password
from app.web.profile import profile, shifts
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import THEMES, Typed, Visit, go, local_path, start_session, visit

router = pages()
INBOX_PAGE = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the inbox, with its incident as it stands now."""

    page: Page
    incident: Incident | None


@router.get("/me")
def me(request: Request, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None) -> Response:
    """My inbox, contacts, shifts, tokens and password."""
    with visit(request) as v:
        return _page(v, before)


def _page(v: Visit, before: int | None = None, draft: Draft | None = None, **more: Any) -> Response:
    letters = _inbox(v, before)
    known = profile(v.db, v.person, v.now)
    facts = {
        "letters": letters[:INBOX_PAGE],
        "older": letters[INBOX_PAGE - 1].page.id if len(letters) > INBOX_PAGE else None,
        "shifts": shifts(v.db, v.person.login, v.now),
        "profile": known,
        "draft": draft or written(v.person.user),
        "shown": profile(v.db, draft.person, v.now) if draft and draft.person else known,
        "sessions": [(one, device(one.agent)) for one in store.sessions(v.db, v.person.login, v.now)],
        "this": v.session_id,
        "tokens": store.tokens(v.db, v.person.login),
        "channels": list(catalog.channels(v.db)),
        "tests": _tests(v),
        "secret": None,
    }
    return v.page("me.html", **{**facts, **more})


@router.post("/me/seen")
def seen(request: Request) -> Response:
    """Everything is read."""
    with visit(request) as v:
        notices.mark_seen(v.db, v.person.login, v.now)
    return go("/me")


@router.post("/me/test")
def test_my_pager(request: Request) -> Response:
    """A test message to every contact of mine."""
    with visit(request) as v:
        count = len(notify.test(v.db, v.person.login, v.now))
    return go("/me#contacts", Toast.plain(f"Test sent to {counted(count, 'contact')}"))


@router.post("/me/contacts")
def contacts(request: Request, typed: Typed) -> Response:
    """Replace my contacts by what was typed: `channel.N` and `to.N`."""
    numbers = sorted(int(name[8:]) for name in typed if name.startswith("channel.") and name[8:].isdecimal())
    wanted = {
        name: to for n in numbers if (name := typed[f"channel.{n}"].strip()) and (to := typed.get(f"to.{n}", "").strip(" "))
    }
    with visit(request) as v:
        set_contacts(v.db, v.person.login, wanted, v.actor, v.now)
    return go("/me#contacts", Toast.plain("Contacts saved. Send a test to verify them"))


@router.post("/me/settings")
def settings(request: Request, typed: Typed) -> Response:
    """Time zone, notification rules and quiet hours, saved or only tried."""
    with visit(request) as v:
        draft = read(typed)
        try:
            if "preview" not in typed:
                set_settings(v.db, v.person.login, draft.settings(), v.actor, v.now)
                return go("/me#rules", Toast.plain("Notification settings saved; used from the next page on"))
            user = changed(v.person.user, draft.settings())
        except Invalid as error:
            answer = _page(v, draft=replace(draft, error=str(error)))
            answer.status_code = 422
            return answer
        zone = ZoneInfo(user.timezone or catalog.defaults(v.db).timezone)
        return _page(v, draft=replace(draft, person=replace(v.person, user=user, zone=zone)))


@router.post("/me/tokens")
def make_token(request: Request, typed: Typed) -> Response:
    """A new token, shown this once."""
    with visit(request) as v:
        secret = people.make_token(v.db, v.person.login, typed.get("name", "").strip()[:100], v.actor, v.now)
        return _page(v, secret=secret)


@router.post("/me/tokens/{token_id}/revoke")
def revoke(request: Request, token_id: str) -> Response:
    """End a token."""
    with visit(request) as v:
        people.revoke_token(v.db, token_id, v.person.login, v.actor, v.now)
    return go("/me#tokens", Toast.plain("Token revoked"))


@router.post("/me/password")
def password(request: Request, typed: Typed) -> Response:
    """A new password; every other session of mine ends."""
    check_new_password(typed)
    with visit(request) as v:
        login = v.person.login
        check_old_password(request, v.db, login, typed.get("old", ""))
        people.set_password(v.db, login, typed["password"], v.actor, v.now)
        known = store.credentials(v.db, login)
    return start_session(request, login, known[1] if known else 0, "/me")


@router.post("/theme")
def theme(typed: Typed) -> Response:
    """Light, dark, or as the system prefers."""
    response = RedirectResponse(local_path(typed.get("back")), 303)
    chosen = typed.get("theme", "")
    if chosen in THEMES:
        response.set_cookie("tocsin_theme", chosen, max_age=365 * 86_400, samesite="lax")
    else:
        response.delete_cookie("tocsin_theme")
    return response


def _inbox(v: Visit, before: int | None) -> list[Letter]:
    found = notices.inbox(v.db, v.person.login, before, INBOX_PAGE + 1)
    known = incidents.by_numbers(v.db, [page.incident for page in found if page.incident])
    return [Letter(page, known.get(page.incident or 0)) for page in found]


def _tests(v: Visit) -> list[tuple[Page, str | None]]:
    """The newest test message of each contact, with the error of its last attempt."""
    newest: dict[str, tuple[Page, str | None]] = {}
    for page, error in notices.tests(v.db, v.person.login, v.now - timedelta(days=1)):
        newest.setdefault(page.contact or INBOX, (page, error))
    return list(newest.values())
