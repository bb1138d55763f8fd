"""The stories' world: real database, real line, a real receiver of pages; only time is advanced, by argument.

A story configures, breaks things, lets time pass, and says whom it expects to be paged. A page that nobody expected fails it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.actions import manual
from app.actions import service as actions
from app.actions.manual import ManualPage
from app.alerts import store as alerts
from app.catalog.model import Severity
from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.escalation.store import obligations
from app.incidents import store as incidents
from app.incidents.model import Incident
from app.incidents.present import present_event
from app.notify import store as page_store
from app.people.model import SYSTEM, Actor, Role
from app.signals.model import Signal, SignalStatus
from app.wording import texts
from tests.receiver import Receiver
from tests.sent import intake

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
Door = Callable[[datetime], None]


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


_HOURS_CHANGE = text("select min(urgency_at) from incident where state <> 'resolved'")


class World:
    """See the module."""

    def __init__(self, door: Door, receiver: Receiver) -> None:
        self.door, self.receiver, self.now = door, receiver, NOON
        self.seen = self.paged = 0
        self.by_hand = False

    def configure(self, yaml: str) -> None:
        """Apply one file; PAGES is the receiver's address."""
        loaded = load_texts({"story.yaml": yaml.replace("PAGES", self.receiver.url)}, {})
        assert not loaded.errors, loaded.errors
        with transaction() as db:
            apply(db, loaded, SYSTEM, self.now)

    def policy(self, *steps: Any, contacts: str = "hook", **more: Any) -> None:
        """A service `shop` whose alerts page these people; a timedelta after a name is the step's wait."""
        listed: list[dict[str, Any]] = []
        for one in steps:
            if isinstance(one, timedelta):
                listed[-1]["wait"] = f"{int(one.total_seconds())}s"
            else:
                named = [one] if isinstance(one, str) else list(one)
                listed.append({"page": [name if ":" in name else f"user:{name}" for name in named]})
        people = {name: {"contacts": {"hook": name}} for name in ("ada", "bo", "cy", "dee")}
        import json

        self.configure(
            json.dumps(
                {
                    "channels": {
                        "hook": {"kind": "webhook", "url": "PAGES/hook", "secret": "s"},
                        "room": {"kind": "webhook", "url": "PAGES/room"},
                    },
                    "users": people,
                    "platform": {"owners": ["user:dee"]},
                    "teams": {"all": {"members": ["ada", "bo"]}},
                    "services": {"shop": {"team": "all"}},
                    "policies": {"p": {"steps": listed, **more}},
                    "routes": [{"policy": "p"}],
                }
            )
        )

    def raise_alert(self, key: str = "k", *, severity: str = "error", service: str | None = "shop", **labels: str) -> None:
        """An event from outside."""
        one = Signal("user:test", key, SignalStatus.FIRING, f"{key} is wrong", Severity(severity), key, service, labels=labels)
        intake("user:test", [one], self.now)
        self.settle()

    def end_alert(self, key: str = "k") -> None:
        """Its end."""
        intake("user:test", [Signal("user:test", key, SignalStatus.RESOLVED, f"{key} is well")], self.now)
        self.settle()

    def result(self, check: str, status: Status, message: str = "", **metrics: float) -> None:
        """A check's result, as a worker records it."""
        with transaction() as db:
            checks.record(db, [Result(check, self.now, status, message, 0.01, metrics)])
        self.settle()

    def advance(self, length: timedelta) -> None:
        """Let time pass; whatever falls due on the way happens when it does, to the second."""
        end = self.now + length
        while (due := self._next_due()) is not None and due < end:
            self.now = max(due, self.now + timedelta(milliseconds=1))
            self.settle()
        self.now = end
        self.settle()

    def _next_due(self) -> datetime | None:
        from app.escalation import store as escalations
        from app.notify import store as pages

        with transaction() as db:
            known = [escalations.next_due(db), pages.next_due(db), db.scalar(_HOURS_CHANGE)]
        later = [due for due in known if due is not None and due > self.now]
        return min(later, default=None)

    def settle(self) -> None:
        """Let the line do what is due now, unless the story does it by hand."""
        if not self.by_hand:
            self.door(self.now)

    def expect_page(self, *users: str, event: str = "page") -> list[Mapping[str, Any]]:
        """Exactly these people were told since the last look, over their webhook; `#room` is a channel."""
        got = [one.json for one in self.receiver.received[self.seen :]]
        self.seen = len(self.receiver.received)
        told = sorted((page["event"], page["recipient"]["user"] or f"#{page['recipient']['channel']}") for page in got)
        assert told == sorted((event, user) for user in users), told
        return got

    def expect_nothing(self) -> None:
        """Nobody was notified of anything since the last look, and all that is stored can be put into words."""
        self.expect_page()
        with transaction() as db:
            pages = page_store.listed(db, incident=None, user=None, state=None, before=None, limit=500)
            promises = obligations(db, state=None, incident=None, before=None, limit=500)
            lines = [line for number in {one.incident for one in promises} for line in incidents.timeline(db, number)]
        assert all(texts(one.reasons) for one in pages)
        assert all(present_event(one)["text"] for one in lines)
        assert all(texts([one.reason]) for one in promises if one.reason)

    def act(self, what: str, number: int = 1, by: str = "ada", **more: Any) -> Incident:
        """A person does something to an incident."""
        with transaction() as db:
            done: Incident = getattr(actions, what)(db, number, **more, actor=Actor(by, Role.RESPONDER, "api"), now=self.now)
        self.settle()
        return done

    def page(self, target: str, summary: str, by: str = "ada", role: Role = Role.RESPONDER, **more: Any) -> Incident:
        """A person pages somebody by hand, with a key of its own: one that chance makes would differ between the doors."""
        self.paged += 1
        given = {"key": f"page-{self.paged}", **more, "severity": Severity(more.get("severity", "critical"))}
        asked = ManualPage(target=target, summary=summary, **given)
        with transaction() as db:
            opened = manual.page(db, asked, Actor(by, role, "api"), self.now)
        self.settle()
        return opened

    def incidents(self) -> list[Incident]:
        """All of them."""
        with transaction() as db:
            return [one for _, one in sorted(incidents.by_numbers(db, range(1, 20)).items())]

    def incident(self, number: int = 1) -> Incident:
        with transaction() as db:
            found = incidents.get(db, number)
        assert found is not None
        return found

    def upcoming(self, number: int = 1) -> list[tuple[str, str]]:
        """The steps to come: when (UTC), and why."""
        from app.review.dossier import dossier

        with transaction() as db:
            return [(f"{one['at']:%a %H:%M}", one["reason"]) for one in dossier(db, number, self.now)["upcoming"]]

    def timeline(self, number: int = 1) -> list[str]:
        with transaction() as db:
            return [str(present_event(one)["text"]) for one in incidents.timeline(db, number)]

    def alerts(self, number: int = 1) -> list[Any]:
        with transaction() as db:
            return list(alerts.of_incidents(db, [number]))
