"""The state of services: open incidents, checks and heartbeats."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.catalog.model import Service
from app.checks import service as checks
from app.checks import store as states
from app.checks.heartbeats import store as heartbeats
from app.checks.heartbeats.present import shown_state
from app.incidents.search import store as incidents
from app.incidents.search.model import ServiceCount

UNDECLARED = Service()
STATUSES = ("critical", "warning", "unknown", "new", "ok", "paused")  # of checks, the worst first
OF_HEARTBEATS = {"up": "ok", "late": "warning", "down": "critical"}


@dataclass(frozen=True, slots=True)
class Standing:
    """One service and its state. origin: FILE:LINE of its declaration; None if only alerts name it."""

    name: str
    spec: Service
    origin: str | None
    open: ServiceCount | None
    statuses: Mapping[str, int] = field(default_factory=dict)  # of its checks and heartbeats

    @property
    def status(self) -> str:
        """The worst status of its checks and heartbeats; empty where it has none."""
        return next((one for one in STATUSES if self.statuses.get(one)), "")

    @property
    def incidents(self) -> int:
        """How many are open."""
        return self.open.incidents if self.open else 0

    @property
    def state(self) -> str:
        """In a word, as the filter compares it: the severity of what is open, else the status of its checks."""
        return self.open.worst.value if self.open else self.status or "quiet"

    @property
    def labels(self) -> dict[str, str]:
        """What a search sees of it."""
        spec = self.spec
        return {
            "service": self.name, "team": spec.team or "", "tier": spec.tier if self.origin else "", "state": self.state,
            "business": spec.business or "", "description": spec.description or "",
        }  # fmt: skip

    @property
    def order(self) -> tuple[int, int, str]:
        """Worst first, then by name."""
        rank = self.open.worst.rank if self.open else -1
        return -rank, STATUSES.index(self.status) if self.status else len(STATUSES), self.name


def standings(db: Connection, now: datetime) -> dict[str, Standing]:
    """Every service by name: those that are declared, and those that open incidents or checks name."""
    return {one.name: one for one in _standings(db, now)}


def _standings(db: Connection, now: datetime) -> Iterator[Standing]:
    declared, origins = catalog.services(db), catalog.origins(db, "service")
    opened, statuses = incidents.open_of_services(db), _statuses(db, now)
    for name in dict.fromkeys([*declared, *sorted(opened), *statuses]):
        yield Standing(name, declared.get(name, UNDECLARED), origins.get(name), opened.get(name), statuses.get(name, Counter()))


def _statuses(db: Connection, now: datetime) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    known = states.states(db)
    for name, check in checks.declared(db).items():
        if check.service and name in known:
            found.setdefault(check.service, Counter())[known[name].shown] += 1
    for beat in heartbeats.listed(db):
        if beat.spec.service:
            state = shown_state(beat.beat.state, beat.expected_at, now)
            found.setdefault(beat.spec.service, Counter())[OF_HEARTBEATS.get(state, state)] += 1
    return found
