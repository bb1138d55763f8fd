"""Logging in and out, and the first password by invitation."""

import secrets

import anyio
import anyio.to_thread
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app import clock
from app.db import transaction
from app.errors import Conflict, Invalid, TooOften
from app.people import service as people
from app.people import session as sessions
from app.people import store
from app.seal import digest
from app.settings import settings
from app.units import length
from app.web.guard import cookie_name, form_token, over_tls
from app.web.login_limit import LoginLimit
from app.web.route import pages
from app.web.template import render
from app.web.visit import Typed, device, end_session, local_path, start_session, theme

router = pages()
login_limit = LoginLimit()
_turns: list[anyio.CapacityLimiter] = []  # made in the event loop that it is for


@router.get("/login")
def log_in_page(request: Request, back: str = "/") -> Response:
    """The form; whoever is logged in already is redirected."""
    if sessions.read(settings().key, request.cookies.get(cookie_name("session"), "")) and _known(request):
        return RedirectResponse(local_path(back), 303)
    return _form(request, "login.html", back=local_path(back), login="", wrong=None)


@router.post("/login")
async def log_in(request: Request, typed: Typed) -> Response:
    """Check the password; how often it may be tried is in app/web/login_limit.py.

    Passwords are checked one at a time: each check takes a core for a while, and the intake needs it more. A name that nobody
    has costs none, only the same time: however many are tried, nothing else gets slower, and nobody waits behind them.
    """
    login, password, back = typed.get("login", "").strip(), typed.get("password", ""), local_path(typed.get("back"))
    counted = _counted(request, login)
    if not _turns:
        _turns.append(anyio.CapacityLimiter(1))
    epoch = None
    if await anyio.to_thread.run_sync(_may_log_in, login):
        epoch = await anyio.to_thread.run_sync(_checked, request, login, password, limiter=_turns[0])
    else:
        await anyio.sleep(await anyio.to_thread.run_sync(people.seconds_of_a_check))
    if epoch is None:
        return _form(request, "login.html", 422, back=back, login=login, wrong="Incorrect login or password.")
    login_limit.reset(*counted)
    return start_session(request, login, epoch, back)


def _may_log_in(login: str) -> bool:
    with transaction() as db:
        return people.has_password(db, login)


def _checked(request: Request, login: str, password: str) -> int | None:
    with transaction() as db:
        epoch = people.log_in(db, login, password)
        if epoch is not None:
            end_session(request, db, clock.now(db))  # whoever was logged in here
    return epoch


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session, here and for every copy of its cookie."""
    with transaction() as db:
        end_session(request, db, clock.now(db))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(cookie_name("session"))
    return response


@router.get("/invite/{secret}")
def invitation(request: Request, secret: str) -> Response:
    """The form for a first password."""
    with transaction() as db:
        login = store.invited(db, digest(secret), clock.now(db))
    if login is None:
        raise Conflict("this invitation was already used or has expired; ask an admin for a new one")
    return _form(request, "invite.html", login=login, wrong=None, least=people.PASSWORD_LEAST)


@router.post("/invite/{secret}")
def accept(request: Request, secret: str, typed: Typed) -> Response:
    """Set the first password and log in."""
    wrong = _mistyped(typed)
    if wrong is None:
        with transaction() as db:
            login = people.accept_invitation(db, secret, typed.get("password", ""), clock.now(db))
            end_session(request, db, clock.now(db))
            known = store.credentials(db, login)
        return start_session(request, login, known[1] if known else 0, "/me")
    with transaction() as db:
        login = store.invited(db, digest(secret), clock.now(db)) or ""
    return _form(request, "invite.html", 422, login=login, wrong=wrong, least=people.PASSWORD_LEAST)


def _counted(request: Request, login: str) -> tuple[str, str, str | None]:
    """Count a try of a password; what it counts for. Raises TooOften."""
    known = device(request)
    counted = (login, request.client.host if request.client else "", known.id if known and login in known.logins else None)
    wait = login_limit.spent(*counted)
    if wait:
        raise TooOften(f"too many login attempts for this account; retry in {length(wait)}", wait)
    return counted


def check_old_password(request: Request, db: Connection, login: str, password: str) -> None:
    """Raise Invalid unless the password is right, TooOften when it was guessed at: a stolen session must not find it out."""
    counted = _counted(request, login)
    if people.log_in(db, login, password) is None:
        raise Invalid("incorrect current password")
    login_limit.reset(*counted)


def check_new_password(typed: Typed) -> None:
    """Raise Invalid unless the new password was typed twice alike and is long enough."""
    wrong = _mistyped(typed)
    if wrong:
        raise Invalid(wrong)


def _mistyped(typed: Typed) -> str | None:
    password = typed.get("password", "")
    if len(password) < people.PASSWORD_LEAST:
        return f"Password too short: at least {people.PASSWORD_LEAST} characters."
    return None if password == typed.get("again") else "The passwords do not match."


def _known(request: Request) -> bool:
    session = sessions.read(settings().key, request.cookies.get(cookie_name("session"), ""))
    with transaction() as db:
        return session is not None and store.lives(db, session)


def _form(request: Request, name: str, status: int = 200, **facts: object) -> Response:
    """A form for somebody who is not logged in yet; its token hangs on a cookie made for this visitor."""
    session, visitor = request.cookies.get(cookie_name("session")), request.cookies.get(cookie_name("visitor"))
    bound = session or visitor or secrets.token_urlsafe(18)
    response = HTMLResponse(render(name, csrf=form_token(bound), theme=theme(request), **facts), status)
    if bound not in (session, visitor):
        response.set_cookie(cookie_name("visitor"), bound, httponly=True, samesite="lax", secure=over_tls(request))
    return response
