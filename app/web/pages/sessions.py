"""Sessions: in which browsers am I logged in?"""

from starlette.requests import Request
from starlette.responses import Response

from app.people import service as people
from app.web.route import pages
from app.web.toast import Toast
from app.web.visit import go, start_session, visit

router = pages()
BACK = "/me#sessions"


@router.post("/me/sessions/{session_id}/end")
def end(request: Request, session_id: str) -> Response:
    """End one of my sessions."""
    with visit(request) as v:
        people.end_session(v.db, v.person.login, session_id, v.actor, v.now)
    return go(BACK, Toast.plain("Session ended"))


@router.post("/me/sessions/end")
def end_others(request: Request) -> Response:
    """End all my sessions but this one, which goes on under a new cookie."""
    with visit(request) as v:
        login = v.person.login
        epoch = people.end_sessions(v.db, login, v.actor, v.now)
    return start_session(request, login, epoch, BACK, Toast.plain("All other sessions ended"))
