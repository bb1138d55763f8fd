"""What each role may do. Pure."""

from app.errors import Denied
from app.people.model import Actor, Role

# The least role for each group of actions; viewers may read everything.
NEEDED = {
    "respond": Role.RESPONDER,  # acknowledge, resolve, snooze, note, merge, assign, run a check, override own shift
    "edit": Role.EDITOR,  # overrides for others, silences, pause checks, integrations, configuration plans
    "administer": Role.ADMIN,  # people, applying configuration
}


def may(role: Role, what: str) -> bool:
    """Whether this role is enough for this group of actions."""
    return role.rank >= NEEDED[what].rank


def require(actor: Actor, what: str) -> None:
    """Raise Denied unless the actor's role is enough."""
    if not may(actor.role, what):
        raise Denied(f"permission denied: requires role {NEEDED[what]}; {actor.login or 'the caller'} has {actor.role}")
