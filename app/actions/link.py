"""What happens when somebody follows a link in a page: GET shows it, POST does it, and doing it again says it is done."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.actions import service
from app.errors import Denied, Expired, Gone
from app.incidents import store as incidents
from app.incidents.lifecycle import Move, offered
from app.incidents.model import Incident
from app.notify import store as pages
from app.notify.links import read
from app.people import store as people
from app.people.model import Actor, Role


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers: an action on an incident in somebody's name; `done` when there is nothing left to do."""

    action: Move
    incident: Incident
    user: str | None
    done: bool


def offer(db: Connection, secret: bytes, token: str, now: datetime) -> Offer:
    """Read a link. Raises NotFound when it is not ours, Gone, Expired."""
    link = read(secret, token)
    page = pages.by_key(db, link.page_key)
    incident = incidents.get(db, page.incident) if page and page.incident else None
    if page is None or incident is None:
        raise Gone("the incident of this link no longer exists")
    if link.expires_at <= now:
        raise Expired("this link has expired; open the incident in the console")
    return Offer(link.action, incident, page.user, link.action not in offered(incident))


def take(db: Connection, secret: bytes, token: str, now: datetime) -> Offer:
    """Do what the link offers, as the person whose page it was in: one who has left, or is a viewer now, may not."""
    link = offer(db, secret, token, now)
    if link.done:
        return link
    person = people.get(db, link.user) if link.user else None
    if link.user and person is None:
        raise Denied(f"permission denied: {link.user} can no longer work on incidents")
    actor = Actor(link.user, person.role if person else Role.RESPONDER, "link")
    act = {Move.ACKNOWLEDGE: service.acknowledge, Move.RESOLVE: service.resolve}[link.action]
    return Offer(link.action, act(db, link.incident.number, actor, now), link.user, True)
