"""What paging should do, said once more in the plainest way: the model that `test_paging_machine.py` holds the line against.

It knows nothing of tables, locks and leases: incidents, where each stands in its policy, and which promises were made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

CONFIG = """
users:
  ada: {contacts: {hook: ada, spare: ada}, notify: {high: [hook, {contact: spare, after: 2m}], low: [hook]}}
  bo: {contacts: {hook: bo}}
  cy: {contacts: {hook: cy}}
  root: {role: admin, contacts: {hook: root}}
teams: {empty: {members: []}}
channels: {hook: {kind: webhook, url: "http://127.0.0.1:9"}, spare: {kind: webhook, url: "http://127.0.0.1:9"}}
platform: {owners: ["user:cy"]}
policies:
  shop:
    steps: [{page: "user:ada", wait: 5m}, {page: "team:empty", wait: 7m}, {page: "user:bo", wait: 10m}]
    repeat: 1
    ack_timeout: 20m
  db: {steps: [{page: "user:bo", wait: 3m}], if_exhausted: ["user:ada"]}
  critical: {steps: [{page: ["user:ada", "user:bo"], wait: 2m}], ack_timeout: 1m}
routes: [{match: 'severity="critical"', policy: critical}, {match: 'service="shop"', policy: shop}, {policy: db}]
grouping: [{match: 'service="shop"', by: [service]}, {by: [service], reopen: 10m, resolve_after: 1m}]
"""

SEVERITIES = ("warning", "error", "critical")
KEYS = ("shop-1", "shop-2", "db-1", "db-2")  # SERVICE-NUMBER
SNOOZE = timedelta(minutes=10)
AGAIN = timedelta(minutes=30)  # after exhaustion the last resort is paged again
LATE = timedelta(seconds=30)  # a step that comes later than this counts its wait from when it comes
REOPEN = {"shop": timedelta(0), "db": timedelta(minutes=10)}
RESOLVE_AFTER = {"shop": timedelta(0), "db": timedelta(minutes=1)}


@dataclass(frozen=True)
class Policy:
    """Steps (whom, and how long to wait then), how often, and who answers when they are through."""

    steps: tuple[tuple[tuple[str, ...], timedelta], ...]
    repeat: int
    last: tuple[str, ...]
    ack_timeout: timedelta | None


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


POLICIES = {
    "shop": Policy(((("ada",), _minutes(5)), ((), _minutes(7)), (("bo",), _minutes(10))), 1, ("cy",), _minutes(20)),
    "db": Policy(((("bo",), _minutes(3)),), 0, ("ada",), None),
    "critical": Policy(((("ada", "bo"), _minutes(2)),), 0, ("cy",), _minutes(1)),
}

Promise = tuple[int, int, int, int | None, str | None]  # incident, generation, round, step, user; nobody: an excused step


@dataclass
class Undo:
    """What somebody did last to an incident, and how it was before; `made`: what the step of an escalation promised."""

    by: str
    before: "Expected"
    assigned: bool
    moved: bool = True  # where it stands; False: only a name changed
    made: list[Promise] | None = None


@dataclass
class Expected:
    """One incident, and where it stands in its policy."""

    number: int
    service: str
    severity: str
    policy: str
    due: datetime | None
    state: str = "triggered"
    generation: int = 1
    again: bool = False  # at `due` an acknowledgement runs out or a snooze ends
    place: int = 0  # steps taken since its policy started
    firing: set[str] = field(default_factory=set)
    since: datetime | None = None
    resolve_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    acknowledged_by: str | None = None
    assigned_to: str | None = None
    asked: bool = False  # the assignee was paged, and has until `due` to answer
    named: str | None = None  # who was paged before step 1, because they were assigned
    undo: Undo | None = None

    @property
    def open(self) -> bool:
        return self.state != "resolved"


@dataclass
class Model:
    """All of it. Every method is one thing that somebody does, at `now`."""

    incidents: dict[int, Expected] = field(default_factory=dict)
    severity: dict[str, str] = field(default_factory=dict)  # of each alert that fires
    promises: list[Promise] = field(default_factory=list)

    def fire(self, severities: Mapping[str, str], now: datetime) -> None:
        """Alerts fire and are placed."""
        news = {key: worse for key, worse in severities.items() if self.severity.get(key) != worse}
        self.severity |= news
        for service in {_service(key) for key in news}:
            changed = [key for key in news if _service(key) == service]
            one = self.open_of(service) or self._reopened(service, changed, now) or self._opened(service, changed, now)
            one.firing |= set(changed)
            one.resolve_at = None
            self._rise(one, changed, now)
        self.end_due(now)

    def recover(self, keys: Iterable[str], now: datetime) -> None:
        """Alerts end; the last one of an incident ends that, at once or after a while."""
        for key in (key for key in keys if self.severity.pop(key, None)):
            one = self.open_of(_service(key))
            if one is not None and key in one.firing:
                one.firing.discard(key)
                if not one.firing:
                    one.resolve_at = now + RESOLVE_AFTER[one.service]
        self.end_due(now)

    def end_due(self, now: datetime) -> None:
        """Incidents whose alerts have been over for long enough end."""
        for one in self.incidents.values():
            if one.open and one.resolve_at is not None and one.resolve_at <= now:
                self._end(one, None, now)

    def acknowledge(self, one: Expected, by: str, now: datetime) -> None:
        timeout = POLICIES[one.policy].ack_timeout
        if one.state == "triggered":
            self._quiet(one, by, now + timeout if timeout else None)

    def snooze(self, one: Expected, by: str, now: datetime) -> None:
        self._quiet(one, by, now + SNOOZE)

    def release(self, one: Expected, by: str, now: datetime) -> None:
        """Unacknowledge."""
        self._restart(one, now)

    def resolve(self, one: Expected, by: str, now: datetime) -> None:
        """By hand: alerts that were pushed end with it."""
        for key in one.firing:
            self.severity.pop(key, None)
        one.firing.clear()
        self._end(one, by, now)

    def reopen(self, one: Expected, by: str | None, now: datetime) -> None:
        one.resolved_at = one.resolved_by = None
        one.since = now
        one.assigned_to = one.assigned_to if by else None
        self._restart(one, now)

    def escalate(self, one: Expected, by: str, now: datetime) -> None:
        """The next step now."""
        self.escalate_to(one, by, now, self.next_step(one))

    def escalate_to(self, one: Expected, by: str, now: datetime, step: int) -> None:
        """A later step of this round now: those between are left out."""
        before, ahead = replace(one, undo=None), step - self.next_step(one)
        one.place += ahead
        one.due = now if ahead else min(one.due or now, now)
        one.asked = False
        if (one.place, one.due) != (before.place, before.due):  # else it is being taken already, and nothing was done
            one.undo = Undo(by, before, assigned=False)

    def can_undo(self, one: Expected, by: str, now: datetime) -> bool:
        """While nothing has followed; nor is a step put off that would have been due by now."""
        undo = one.undo
        if undo is None or undo.by != by:
            return False
        return undo.assigned or undo.before.due is None or undo.before.due > now

    def undo(self, one: Expected, now: datetime, again: Sequence[tuple[int, int | None, str | None]]) -> None:
        """It stands where it stood. again: what an assignment took back and is promised once more, which only the pages say."""
        undo = one.undo
        assert undo is not None
        was, old = undo.before, one.generation
        one.undo, one.assigned_to = None, was.assigned_to
        if not undo.moved:
            return
        one.state, one.place, one.due, one.again, one.asked = was.state, was.place, was.due, was.again, was.asked
        one.acknowledged_by, one.named = was.acknowledged_by, was.named
        if undo.assigned and one.state == "triggered":
            one.generation += 1
            kept = [p for p in self.promises if p[:2] == (one.number, was.generation) and p[2:] not in again]
            self.promises = [(p[0], one.generation, *p[2:]) if p in kept else p for p in self.promises]
            self.promises += [(one.number, one.generation, *slot) for slot in again]
        elif undo.made is not None:
            one.generation += 1
            mine = [p for p in self.promises if p[:2] == (one.number, old) and p not in undo.made]
            self.promises = [(p[0], one.generation, *p[2:]) if p in mine else p for p in self.promises]

    def next_step(self, one: Expected) -> int:
        """Counts from 1; too high for any policy when this one is exhausted."""
        steps, repeat = len(POLICIES[one.policy].steps), POLICIES[one.policy].repeat
        return one.place % steps + 1 if one.place < steps * (repeat + 1) else 99

    def assign(self, one: Expected, by: str, now: datetime, to: str) -> None:
        """Whoever is named is paged, unless they have answered or are being asked; step 1 follows after its wait."""
        before = replace(one, undo=None)
        asked, was = one.asked and one.due is not None and now < one.due, one.assigned_to
        one.assigned_to = to
        if to in (by, one.acknowledged_by):
            one.generation += asked
            one.named = None if asked else one.named
            one.undo = None if asked else Undo(by, before, assigned=True, moved=False)
        elif not (asked and to == was):
            self._restart(one, now + POLICIES[one.policy].steps[0][1])
            self._promise(one, 0, None, (to,))
            one.asked, one.named, one.undo = True, to, Undo(by, before, assigned=True)

    def advance(self, now: datetime, those: Iterable[Expected]) -> None:
        """Take what is due of those."""
        for one in those:
            if one.due is not None and one.due <= now:
                if one.again:
                    due = one.due
                    self._restart(one, due)
                self._step(one, now)

    def open_of(self, service: str) -> Expected | None:
        return next((one for one in self.incidents.values() if one.service == service and one.open), None)

    def _opened(self, service: str, keys: Sequence[str], now: datetime) -> Expected:
        severity = max((self.severity[key] for key in keys), key=SEVERITIES.index)
        number = len(self.incidents) + 1
        self.incidents[number] = Expected(number, service, severity, _routed(service, severity), now, since=now)
        return self.incidents[number]

    def _reopened(self, service: str, keys: Sequence[str], now: datetime) -> Expected | None:
        closed = [one for one in self.incidents.values() if one.service == service and one.resolved_at]
        last = max(closed, key=lambda one: one.resolved_at or now, default=None)
        if last is None or last.resolved_at is None or now - last.resolved_at >= REOPEN[service]:
            return None
        self.reopen(last, None, now)
        if worst := self._worse(last, keys):
            last.severity, last.policy = worst, _routed(service, worst)
        return last

    def _rise(self, one: Expected, keys: Sequence[str], now: datetime) -> None:
        """An alert that is worse than its incident routes that anew, from step 1."""
        if worst := self._worse(one, keys):
            one.severity, one.policy = worst, _routed(one.service, worst)
            self._restart(one, now)

    def _worse(self, one: Expected, keys: Iterable[str]) -> str | None:
        worst = max((self.severity[key] for key in keys), key=SEVERITIES.index)
        return worst if SEVERITIES.index(worst) > SEVERITIES.index(one.severity) else None

    def _restart(self, one: Expected, at: datetime) -> None:
        one.state, one.generation = "triggered", one.generation + 1
        one.place, one.due, one.again, one.asked, one.named = 0, at, False, False, None
        one.acknowledged_by = one.undo = None

    def _quiet(self, one: Expected, by: str, until: datetime | None) -> None:
        one.acknowledged_by = one.acknowledged_by if one.state == "acknowledged" else by
        one.state, one.due, one.again, one.asked, one.undo = "acknowledged", until, True, False, None

    def _end(self, one: Expected, by: str | None, now: datetime) -> None:
        one.state, one.due, one.again, one.resolve_at, one.undo = "resolved", None, False, None, None
        one.resolved_at, one.resolved_by = now, by

    def _step(self, one: Expected, now: datetime) -> None:
        policy, one.asked, made = POLICIES[one.policy], False, len(self.promises)
        self._climb(one, policy, now)
        if one.undo is not None and not one.undo.assigned and one.undo.made is None:
            one.undo.made = self.promises[made:]
        elif one.undo is not None and one.undo.moved:
            one.undo = None

    def _climb(self, one: Expected, policy: Policy, now: datetime) -> None:
        assert one.due is not None
        at = one.due if now - one.due < LATE else now
        ladder = [(number + 1, *step) for number, step in enumerate(policy.steps)] * (policy.repeat + 1)
        while one.place < len(ladder):
            number, users, wait = ladder[one.place]
            if not one.place and one.assigned_to not in (None, one.named):  # whoever is assigned is paged beside step 1
                users = tuple(dict.fromkeys((*users, str(one.assigned_to))))
            self._promise(one, one.place // len(policy.steps), number, users)
            one.place += 1
            if users:
                one.due = at + wait
                return
        self._promise(one, policy.repeat + 1 + one.place - len(ladder), None, policy.last)
        one.place += 1
        one.due = at + AGAIN

    def _promise(self, one: Expected, round_: int, step: int | None, users: tuple[str, ...]) -> None:
        self.promises += [(one.number, one.generation, round_, step, user) for user in users or (None,)]


def _service(key: str) -> str:
    return key.partition("-")[0]


def _routed(service: str, severity: str) -> str:
    return "critical" if severity == "critical" else service
