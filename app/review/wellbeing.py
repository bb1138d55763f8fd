"""What of Tocsin itself is missing: for /readyz, `doctor` and whoever asks whether a page would get out now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection

from app import beats, metrics, migrations, queues
from app.catalog import store as catalog
from app.checks import store
from app.escalation.who import who
from app.oncall import service as oncall
from app.people import store as people

QUEUES = tuple(str(queue) for queue in queues.ALL)
NEEDED = frozenset({"database", "migrations", "pager"})  # without one of these nobody is paged; the rest costs speed
READ_ONLY, AHEAD = "database:read-only", "checks:due-in-future"
# What PostgreSQL or libpq say of a session that could not be had, and its name here.
REASONS = (
    ("read-only", READ_ONLY),
    ("hot standby", READ_ONLY),
    ("in recovery mode", "database:starting-up"),
    ("shutting down", "database:shutting-down"),
    ("starting up", "database:starting-up"),
    ("not yet accepting connections", "database:starting-up"),
    ("password authentication failed", "database:wrong-password"),
    ("too many clients", "database:too-many-sessions"),
    ("remaining connection slots", "database:too-many-sessions"),
    ("No space left", "disk:full"),
)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that gave signs of life: its queues, and how many seconds ago it gave the last one."""

    name: str  # HOST:PID:START
    queues: tuple[str, ...]
    age: float
    alive: bool


def is_ready(missing: Iterable[str]) -> bool:
    """Whether pages leave with this missing."""
    return NEEDED.isdisjoint(name.partition(":")[0] for name in missing)


def missing(db: Connection) -> list[str]:
    """What is missing, by name; empty when all is there.

    `migrations`; `database:read-only`; `pager`, `beat`; `worker:QUEUE` of queues that nobody speaks for, those of locations and
    of workers that are gone too; `checks:due-in-future` when a clock was set back.
    """
    if not migrations.is_current(db):
        return ["migrations"]
    seen = beats.seen(db)
    kinds = {one.kind for one in seen if one.alive}
    absent = ["database", READ_ONLY] if metrics.is_read_only(db) else []
    absent += [kind for kind in ("pager", "beat") if kind not in kinds]
    absent += [f"worker:{queue}" for queue in _unserved(db, seen)]
    return absent + ([AHEAD] if metrics.due_too_late(db) else [])


def why_away(error: BaseException) -> list[str]:
    """What is missing when the database could not be asked: `database`, and its reason where that is known."""
    said = str(error)
    return ["database", *dict.fromkeys(name for words, name in REASONS if words in said)]


def workers(db: Connection) -> list[Worker]:
    """Every worker that lives, and those that are gone and nobody took their queues over."""
    seen = beats.seen(db)
    unserved = set(_unserved(db, seen))
    found = [Worker(one.name, one.queues, one.age, one.alive) for one in seen if one.kind == "worker"]
    return [one for one in found if one.alive or unserved.intersection(one.queues)]


def _unserved(db: Connection, seen: Sequence[beats.Seen]) -> list[str]:
    """Queues that somebody must speak for and nobody does."""
    served = beats.served(seen)
    gone = sorted(queue for one in seen if not one.alive for queue in one.queues)
    return [queue for queue in dict.fromkeys((*QUEUES, *store.pinned_queues(db), *gone)) if queue not in served]


def only_inbox(db: Connection, now: datetime) -> list[str]:
    """Declared people whom a policy may page from `now` on, and whom nothing reaches outside of the console."""
    directory, channels = people.directory(db, catalog.defaults(db).timezone), catalog.channels(db)
    targets = frozenset[str]().union(*(policy.targets for policy in catalog.policies(db).values()))
    paged = who(targets, directory, oncall.eligible(db, now)).values()
    asked = [directory.people[login] for login in sorted({user for one in paged for user in one.users})]
    return [one.login for one in asked if one.declared and not any(contact.channel in channels for contact in one.contacts)]


def broker_address(broker: str) -> str:
    """Where to knock, as `supervisor.readiness` reads it: a Redis socket is asked, any other broker's port has to be open."""
    url = urlsplit(broker)
    if url.scheme == "redis+socket":
        return f"redis+socket://{url.path}"
    return f"tcp://{url.hostname or '127.0.0.1'}:{url.port or (5672 if url.scheme.startswith('amqp') else 6379)}"
