"""What each role may do. Pure."""

from app.errors import Denied
from app.people.model import Actor, Role

# The least role for each group of actions; viewers may read everything.
NEEDED = {
    "respond": Role.RESPONDER,  # acknowledge, resolve, snooze, note, merge, assign, run a check, override own shift
    "edit": Role.EDITOR,  # overrides for others, silences, pause checks, integrations, configuration plans
    "administer": Role.ADMIN,  # people, applying configuration
}


def require(actor: Actor, what: str) -> None:
    """Raise Denied unless the actor's role is enough."""
    needed = NEEDED[what]
    if actor.role.rank < needed.rank:
        raise Denied(f"permission denied: requires role {needed}; {actor.login or 'the caller'} has {actor.role}")
