"""What of Tocsin itself is missing: for /readyz, `doctor` and whoever asks whether a page would get out now."""

from urllib.parse import urlsplit

from sqlalchemy import Connection

from app import beats, migrations
from app.catalog import store as catalog
from app.checks import store
from app.escalation.plan import LastResort, targets
from app.oncall import service as oncall
from app.people import store as people
from app.plugins import FAMILIES

QUEUES = (*FAMILIES, "evaluate", "dedup", "escalation", "notify", "upkeep")
NEEDED = frozenset({"database", "migrations", "pager"})  # without one of these nobody is paged; the rest costs speed


def missing(db: Connection) -> list[str]:
    """`migrations`, or the processes and queues that nobody speaks for: `pager`, `beat`, `worker:QUEUE`, locations too."""
    if not migrations.is_current(db):
        return ["migrations"]
    alive = [one for one in beats.seen(db) if one.alive]
    kinds = {one.kind for one in alive}
    served = {queue for one in alive if one.kind == "worker" for queue in one.detail.get("queues", ())}
    absent = [kind for kind in ("pager", "beat") if kind not in kinds]
    return absent + [f"worker:{queue}" for queue in (*QUEUES, *store.pinned_queues(db)) if queue not in served]


def only_inbox(db: Connection) -> list[str]:
    """Declared people whom a policy may page, and whom nothing reaches outside of the console."""
    directory, schedules = people.directory(db, catalog.defaults(db).timezone), oncall.schedules(db)
    named: set[str] = set()
    for target in {target for policy in catalog.policies(db).values() for target in targets(policy, LastResort((), ()))}:
        kind, _, name = target.partition(":")
        if kind == "user":
            named.add(name)
        elif kind == "team" and name in directory.teams:
            named.update(directory.teams[name].members)
        elif kind == "schedule" and name in schedules:
            named.update(user for layer in schedules[name].layers for user in layer.users)
    channels = catalog.channels(db)
    asked = [directory.people[login] for login in sorted(named & directory.pageable)]
    return [one.login for one in asked if one.declared and not any(contact.channel in channels for contact in one.contacts)]


def broker_address(broker: str) -> str:
    """Where to knock, as `supervisor.readiness` reads it: a Redis socket is asked, any other broker's port has to be open."""
    url = urlsplit(broker)
    if url.scheme == "redis+socket":
        return f"redis+socket://{url.path}"
    return f"tcp://{url.hostname or '127.0.0.1'}:{url.port or (5672 if url.scheme.startswith('amqp') else 6379)}"
