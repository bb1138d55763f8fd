"""Whatever happens in whatever order (people, senders that die, clocks that run on), held against a model (`paging_model.py`).

In the spirit of the model checks that authors of queues publish: a random story of small steps over the real database, and
after each step everything that must hold at any moment. Time is an argument; providers answer what the story draws.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from app import line
from app.actions import service as actions
from app.catalog.model import Severity
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Conflict, DeliveryError, Invalid, Permanent, Transient
from app.identity import me
from app.notify import outcome
from app.notify import service as pages
from app.notify.compose import MessageContext
from app.notify.model import Claim, Receipt
from app.notify.outcome import Sent
from app.people.model import SYSTEM, Actor, Role
from app.signals.model import Signal, SignalStatus
from tests.line.paging_model import AGAIN, CONFIG, KEYS, POLICIES, SEVERITIES, SNOOZE, Expected, Model
from tests.line.paging_rows import Rows, Sender, session
from tests.sent import intake

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENT = timedelta(seconds=0.7)  # between two steps of a story
ASKED = timedelta(seconds=1)  # a page that was wanted so short a time ago is sent without asking again
CONTEXT = MessageContext("http://tocsin.test", b"k")
SHORT = {"2s": 2, "16s": 16, "1m": 60}
LONG = {"5m": 300, "31m": 1860, "25h": 90_000}
OFTEN = 12  # steps at least between two half hours in which all goes well: such a one is long, and leaves little undone
ROWS = ("page_attempt", "page", "obligation", "escalation", "incident_event", "incident", "alert", "signal", "audit")
LATEST_RETRY = timedelta(seconds=36)  # 30 s and 20 % more
OPEN = ("triggered", "acknowledged")
ALLOWED = {
    "acknowledge": OPEN,
    "resolve": OPEN,
    "snooze": OPEN,
    "release": ("acknowledged",),
    "escalate": ("triggered",),
    "assign": OPEN,
    "reopen": ("resolved",),
}
MEANWHILE = {  # what happens to the incident whose page a sender is about to send
    "nothing": (),
    "acknowledged": ("acknowledge",),
    "resolved": ("resolve",),
    "snoozed": ("snooze",),
    "resolved and reopened": ("resolve", "reopen"),
    "resolved and firing again": ("resolve",),
    "acknowledged and unacknowledged": ("acknowledge", "release"),
    "worse": (),
    "taken over": (),
    "assigned": ("assign",),
    "escalated and undone": ("escalate", "undo"),
    "assigned and undone": ("assign", "undo"),
    "undone": ("undo",),
}
REACHED, ON_ITS_WAY, DEAD = ("accepted", "delivered"), ("queued", "sending"), ("failed", "expired")
NEXT = {  # what may become of a page from one look to the next; whatever else is its end
    "queued": {"queued", "sending", "superseded", "expired"},
    "sending": {"sending", "queued", "accepted", "delivered", "failed", "superseded"},
}
ANSWERS: Mapping[str, tuple[Receipt | DeliveryError, str]] = {  # what a provider says, and what the page is then
    "yes": (Receipt("id-1"), "accepted"),
    "arrived": (Receipt("id-1", delivered=True), "delivered"),
    "busy": (Transient("503"), "queued"),
    "no": (Permanent("404"), "failed"),
}
SHOP = st.dictionaries(st.sampled_from(KEYS[:2]), st.sampled_from(SEVERITIES), min_size=1)
DB = st.dictionaries(st.sampled_from(KEYS[2:]), st.sampled_from(SEVERITIES), min_size=1)
HOSTS = st.sampled_from(("red", "blue"))
NUMBERS, PEOPLE = st.integers(0, 4), st.sampled_from(("ada", "bo"))


@pytest.mark.timeout(600)  # a failing story is told again and again until it is short
def test_paging_does_what_the_model_says_whatever_happens(clean: None) -> None:
    with transaction() as db:
        loaded = load_texts({"a.yaml": CONFIG}, {})
        assert not loaded.errors
        apply(db, loaded, SYSTEM, NOON)
    many = settings(
        max_examples=25,
        stateful_step_count=50,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    for left in (2, 1, 0):
        try:
            return run_state_machine_as_test(Paging, settings=many)
        except FlakyStrategyDefinition:  # the database answered a repeated story in another order: no finding, but no proof
            if not left:
                raise
    return None


class Paging(RuleBasedStateMachine):
    """See the module."""

    @initialize(key=st.sampled_from(KEYS), severity=st.sampled_from(SEVERITIES[:2]))
    def begin(self, key: str, severity: str) -> None:
        self.looking = session("looks")
        with transaction() as db:
            db.execute(text("; ".join(f"delete from {table}" for table in ROWS)))
            db.execute(text("select setval(pg_get_serial_sequence('incident', 'number'), 1, false)"))
        self.now, self.model, self.rows = NOON, Model(), self._look()
        self.started = self.steps = 0
        self.senders: dict[str, Sender] = {}
        self._start("red")
        self._start("blue")
        self.alerts_fire({key: severity})

    def teardown(self) -> None:
        if hasattr(self, "looking"):
            for one in (self.looking, *(sender.session for sender in self.senders.values())):
                one.close()

    def _look(self) -> Rows:
        return Rows.read(self.looking)

    def _start(self, host: str) -> None:
        self.started += 1
        self.senders[host] = Sender.start(f"{host}:1:{self.started:x}")

    # The world outside

    @rule(severities=SHOP | DB, step=st.booleans())
    def alerts_fire(self, severities: dict[str, str], step: bool = False) -> None:
        """step: whoever places them takes the first step of a policy that starts, too."""
        before = {one.number: one.generation for one in self.model.incidents.values()}
        self._intake(severities, SignalStatus.FIRING, step)
        self.model.fire(severities, self.now)
        started = [one for one in self.model.incidents.values() if before.get(one.number) != one.generation]
        self.model.advance(self.now, started if step else [])

    def may_get_worse(self) -> list[Expected]:
        return [one for one in self.model.incidents.values() if one.open and one.severity != SEVERITIES[-1]]

    @precondition(lambda self: bool(self.may_get_worse()))
    @rule(number=NUMBERS, key=st.sampled_from((1, 2)))
    def it_gets_worse(self, number: int, key: int) -> None:
        """Whatever the incident is at: its policy starts again, what was promised before is excused."""
        one = self.may_get_worse()[number % len(self.may_get_worse())]
        self.alerts_fire({f"{one.service}-{key}": SEVERITIES[SEVERITIES.index(one.severity) + 1]})
        queued = [page for page in self._look().pages.values() if page.incident == one.number and page.state == "queued"]
        assert {page.kind for page in queued} <= {"resolved"}, "what was queued before is taken back"

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1, max_size=2))
    def alerts_recover(self, keys: set[str]) -> None:
        self._intake(dict.fromkeys(sorted(keys), "error"), SignalStatus.RESOLVED, True)
        self.model.recover(keys, self.now)

    def _intake(self, severities: Mapping[str, str], status: SignalStatus, step: bool) -> None:
        named = [(key, Severity(severity), key.partition("-")[0]) for key, severity in severities.items()]
        signals = [Signal("user:t", key, status, key, one, service=service) for key, one, service in named]
        intake("user:t", signals, self.now)
        while line.dedup(self.now, step=step):
            pass

    @rule(length=st.sampled_from(list(SHORT)))
    def a_little_time_passes(self, length: str) -> None:
        self.now += timedelta(seconds=SHORT[length])

    @rule(length=st.sampled_from(list(LONG)))
    def much_time_passes(self, length: str) -> None:
        self.now += timedelta(seconds=LONG[length])

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        self.now = (self._next_due(self.now) or self.now) - MOMENT

    def _next_due(self, after: datetime) -> datetime | None:
        known: Iterable[datetime | None] = [
            *(one.due for one in self.model.incidents.values()),
            *(one.resolve_at for one in self.model.incidents.values()),
            *(one.next_at for one in self.rows.pages.values() if one.state == "queued"),
            *(one.lease_until for one in self.rows.pages.values() if one.state == "sending"),
        ]
        return min((one for one in known if one is not None and one > after), default=None)

    # The line

    @precondition(lambda self: any(one.resolve_at for one in self.model.incidents.values()))
    @rule()
    def dedup(self) -> None:
        while line.dedup(self.now):
            pass
        self.model.end_due(self.now)

    @precondition(lambda self: any(one.due and one.due <= self.now for one in self.model.incidents.values()))
    @rule()
    def escalate(self) -> None:
        while line.escalate(self.now):
            pass
        self.model.advance(self.now, self.model.incidents.values())

    @rule(host=HOSTS)
    def the_line_runs(self, host: str) -> None:
        self.dedup(), self.escalate(), self.lease(host)

    # People

    @rule(
        number=NUMBERS,
        by=PEOPLE,
        what=st.sampled_from(("acknowledge", *ALLOWED)),
        to=PEOPLE,
    )
    def somebody_does(self, what: str, number: int, by: str, to: str) -> None:
        """Somebody does something to an incident: to one that allows it, or (0) to the last one, which may refuse."""
        self._do(what, self._pick(what, number), by, to)

    @rule(number=NUMBERS, by=PEOPLE, first=PEOPLE, then=PEOPLE)
    def somebody_is_assigned_and_then_another(self, number: int, by: str, first: str, then: str) -> None:
        one = self._pick("assign", number)
        self._do("assign", one, "root", first)
        self.holds()
        self._do("assign", one, by, then)

    @rule(number=NUMBERS, by=PEOPLE, step=st.integers(1, 3))
    def somebody_chooses_a_step(self, number: int, by: str, step: int) -> None:
        """A step that was taken, or that the policy does not have, is refused."""
        one = self._pick("escalate", number)
        following, steps = self.model.next_step(one), len(POLICIES[one.policy].steps)
        try:
            with transaction() as db:
                actions.escalate(db, one.number, Actor(by, Role.RESPONDER, "api"), self.now, step)
        except (Conflict, Invalid):
            assert not self._allowed("escalate", one) or not following <= step <= steps
            return
        assert self._allowed("escalate", one)
        assert following <= step <= steps
        self.model.escalate_to(one, by, self.now, step)

    @rule(
        number=NUMBERS,
        by=PEOPLE,
        to=PEOPLE,
        what=st.sampled_from(("escalate", "assign")),
        between=st.integers(0, 2),
        host=HOSTS,
    )
    def somebody_undoes_what_they_did(self, number: int, by: str, to: str, what: str, between: int, host: str) -> None:
        """At once, after the step was taken, or after its pages are on their way."""
        one = self._pick(what, number)
        self._do(what, one, by, to)
        self.holds()
        if between:
            self.escalate()
            self.holds()
        if between > 1:
            self.lease(host)
            self.holds()
        self._undo(one, by)

    @rule(number=NUMBERS, by=PEOPLE)
    def somebody_undoes_the_last_change(self, number: int, by: str) -> None:
        incidents = list(self.model.incidents.values())
        fitting = [one for one in incidents if self.model.can_undo(one, by, self.now)] or incidents
        self._undo(fitting[number % len(fitting)], by)

    def _undo(self, one: Expected, by: str) -> None:
        """Refused when something has followed; what an assignment took back, and nobody was reached by, is promised again."""
        allowed, before, undo = self.model.can_undo(one, by, self.now), self._look(), one.undo
        try:
            with transaction() as db:
                actions.undo(db, one.number, Actor(by, Role.RESPONDER, "api"), self.now)
        except Conflict:
            assert not allowed
            return
        assert allowed
        assert undo is not None
        excused = [
            promise
            for promise in before.obligations.values()
            if (promise.incident, promise.generation) == (one.number, undo.before.generation)
            and promise.state == "excused"
            and promise.reason["code"] == "started_again"
        ]
        again = []
        for promise in excused:
            mine = [page for page in before.pages.values() if page.obligation == promise.id]
            states = {page.state for page in mine if page.channel != "inbox"} or {page.state for page in mine}
            if not states & {*REACHED} and states & {*ON_ITS_WAY, "superseded"}:
                again.append((promise.round, promise.step, promise.user_name))
        self.model.undo(one, self.now, again)

    @rule(number=NUMBERS, host=HOSTS)
    def somebody_escalates_between_two_steps(self, number: int, host: str) -> None:
        self.the_line_runs(host)
        self.holds()
        self._do("escalate", self._pick("escalate", number), "bo")

    def _pick(self, what: str, number: int) -> Expected:
        incidents = list(self.model.incidents.values())
        fitting = [one for one in incidents if self._allowed(what, one)] or incidents
        return fitting[number % len(fitting)] if number else incidents[-1]

    def _do(self, what: str, one: Expected, by: str, to: str = "ada") -> None:
        """Refused unless the incident is in a state that allows it. to: whom an assignment names."""
        before, allowed = (one.state, one.due), self._allowed(what, one)
        more: dict[str, Any] = {"length": SNOOZE} if what == "snooze" else {"login": to} if what == "assign" else {}
        try:
            with transaction() as db:
                getattr(actions, what)(db, one.number, **more, actor=Actor(by, Role.RESPONDER, "api"), now=self.now)
        except Conflict:
            assert not allowed
            return
        assert allowed
        getattr(self.model, what)(one, by, self.now, *([to] if what == "assign" else []))
        queued = [page for page in self._look().pages.values() if page.incident == one.number and page.state == "queued"]
        if one.state != "triggered" and (one.state, one.due) != before:
            assert {page.kind for page in queued} <= {"resolved"}, "what was not on its way is taken back"

    def _allowed(self, what: str, one: Expected) -> bool:
        return one.state in ALLOWED[what] and (one.open or self.model.open_of(one.service) is None)

    # Senders

    @precondition(lambda self: any(one.state in ON_ITS_WAY for one in self.rows.pages.values()))
    @rule(host=HOSTS)
    def lease(self, host: str) -> None:
        """All that is due is leased and nothing else: not what somebody else holds, nor what nobody wants any more."""
        with transaction() as db:
            outcome.expire(db, self.now)
        sender, before = self.senders[host], self._look().pages
        with transaction() as db:
            jobs = pages.claim(db, CONTEXT, self.now, 1000, sender.flight)
            owned = text("update page set lease_owner = :name where lease_owner = :me")
            db.execute(owned, {"name": sender.name, "me": me()})
        wanted = {id_ for id_, page in before.items() if self._free(page, sender) and self._wanted(page)}
        assert {job.claim.id for job in jobs} == wanted
        sender.took(jobs, self.now)

    def _free(self, page: Any, sender: Sender) -> bool:
        if page.state == "queued":
            return bool(page.next_at <= self.now < page.expires_at)
        warned = page.contested and page.lease_until is not None and page.lease_until <= self.now
        return page.state == "sending" and bool(warned) and page.id not in sender.jobs

    def _wanted(self, page: Any) -> bool:
        one = self.model.incidents[page.incident]
        if page.kind == "page":
            return one.state == "triggered" and one.generation == page.generation
        return page.kind == "resolved" or one.open

    def busy(self) -> bool:
        return any(sender.jobs for sender in self.senders.values())

    def _busy(self, host: str) -> str:
        """This host, unless only the other has something to send."""
        return host if self.senders[host].jobs else next((name for name, one in self.senders.items() if one.jobs), host)

    @rule(
        host=HOSTS,
        answers=st.lists(st.sampled_from(list(ANSWERS)), min_size=1, max_size=4),
        meanwhile=st.sampled_from((*MEANWHILE, "resolved", "taken over")),
        late=st.booleans(),
    )
    def send(self, host: str, answers: list[str], meanwhile: str, late: bool) -> None:
        """Whoever leased a while ago asks again, sends what is still wanted, and writes down how that went.

        late: what happens meanwhile happens while the provider has it, not before it is asked whether it is wanted.
        """
        if not self.busy():
            self.the_line_runs(host)
            self.holds()
        host = self._busy(host)
        sender = self.senders[host]
        claims = [job.claim for job in sender.jobs.values()]
        self.now += ASKED
        if claims and not late:
            self._meanwhile(meanwhile, claims[0], host)
        before = self._look().pages
        old = [one for one in claims if self.now - sender.asked[one.id] > ASKED]
        with transaction() as db:
            confirmed = pages.confirm(db, old, self.now)
        assert confirmed.keys() == {one.id for one in old if sender.has(one, before[one.id]) and self._wanted(before[one.id])}
        left = [one for one in claims if one not in old or one.id in confirmed]
        said = {one.id: ANSWERS[answers[number % len(answers)]] for number, one in enumerate(left)}
        if left and late:
            self.holds()
            self._meanwhile(meanwhile, left[0], host)
        before = self._look().pages
        self._write_down([Sent(one, said[one.id][0]) for one in left])
        after = self._look().pages
        for one in left:
            if not sender.has(one, before[one.id]):
                assert after[one.id] == before[one.id], "the outcome of a lease that was lost changes nothing"
                continue
            kept = after[one.id].state
            assert kept == said[one.id][1] or (kept == "superseded" and not self._wanted(after[one.id]))
            if kept == "queued":
                assert MOMENT < after[one.id].next_at - self.now <= LATEST_RETRY
        sender.forget()

    @rule(host=HOSTS, meanwhile=st.sampled_from(("resolved", "taken over")))
    def a_page_is_taken_too_late(self, host: str, meanwhile: str) -> None:
        self.send(host, ["yes"], meanwhile, late=True)

    def _meanwhile(self, what: str, claim: Claim, host: str) -> None:
        """What happens to a leased page's incident, or to its lease."""
        one = self.model.incidents[claim.draft.incident or 0]
        firing = {key: self.model.severity[key] for key in sorted(one.firing)}
        for action in MEANWHILE[what]:
            if action == "undo":
                self._undo(one, "root")
                self.holds()
            elif self._allowed(action, one):
                self._do(action, one, "root")  # whom nobody has paged so far
                self.holds()
        if what == "resolved and firing again" and firing:
            self.alerts_fire(firing)
        if what == "worse" and one in self.may_get_worse():
            self.alerts_fire({f"{one.service}-1": SEVERITIES[SEVERITIES.index(one.severity) + 1]})
        for pause in (pages.LEASE, pages.WARNED) if what == "taken over" else ():
            self.now += pause
            self.lease(next(name for name in self.senders if name != host))
            self.holds()

    @rule(host=HOSTS)
    def providers_are_busy_for_a_while(self, host: str) -> None:
        for _ in range(3):
            self.the_line_runs(host)
            self.holds()
            self._write_down([Sent(job.claim, ANSWERS["busy"][0]) for job in self.senders[host].jobs.values()])
            self.senders[host].forget()
            self.holds()
            self.now += timedelta(seconds=14)

    def _write_down(self, sent: Sequence[Sent]) -> None:
        with transaction() as db:
            outcome.record(db, sent, self.now)

    @precondition(busy)
    @rule(host=HOSTS)
    def hold_leases(self, host: str) -> None:
        sender, before = self.senders[self._busy(host)], self._look().pages
        with transaction() as db:
            pages.renew(db, [job.claim for job in sender.jobs.values()], self.now)
        for id_, after in self._look().pages.items():
            if id_ in sender.jobs and sender.has(sender.jobs[id_].claim, before[id_]):
                assert (after.lease_until, after.contested) == (self.now + pages.LEASE, False)
            else:
                assert after == before[id_]

    @precondition(busy)
    @rule(host=HOSTS)
    def a_sender_dies(self, host: str) -> None:
        """With what it has leased; whether a provider has taken any of it, nobody knows. Another starts on the same host."""
        self.senders[host].end()
        self._start(host)

    @precondition(lambda self: any(one.state == "sending" for one in self.rows.pages.values()))
    @rule()
    def orphans_are_freed(self) -> None:
        """Leases of senders that have ended are free after a moment's grace; those of the living are theirs."""
        before = self._look().pages
        with transaction() as db:
            pages.free_orphans(db, self.now)
        alive = {sender.name for sender in self.senders.values()}
        for id_, after in self._look().pages.items():
            if after.state == "sending" and after.lease_owner not in alive and not before[id_].contested:
                assert (after.contested, after.lease_until) == (True, self.now + pages.WARNED)
            else:
                assert after == before[id_]

    @precondition(lambda self: self.steps >= OFTEN)
    @rule()
    def half_an_hour_in_which_all_goes_well(self) -> None:
        """Never silence: what is owed is sent, and every incident that is triggered all the while pages somebody."""
        self.steps = 0
        self.a_sender_dies("red"), self.a_sender_dies("blue")
        self.orphans_are_freed()
        end = self.now + AGAIN + timedelta(seconds=2)
        self.now += pages.WARNED
        triggered = {number for number, one in self.model.incidents.items() if one.state == "triggered"}
        began = self.now
        while True:
            done = self.now
            self._decide_what_is_due()
            self.lease("red")
            self.holds()
            claims = [job.claim for job in self.senders["red"].jobs.values()]
            if claims:
                self._write_down([Sent(one, Receipt()) for one in claims])
                self.senders["red"].forget()
                self.holds()
            if not claims and (due := self._next_due(done) or end) >= end:
                break
            self.now = self.now if claims else max(self.now, due)
        paged = {page.incident for page in self.rows.pages.values() if page.state in REACHED and page.ended_at >= began}
        assert {number for number in triggered if self.model.incidents[number].state == "triggered"} <= paged
        assert {one.state for one in self.rows.obligations.values()} <= {"met", "fallback", "excused", "breached"}
        assert [one for one in self.rows.pages.values() if one.state == "sending"] == []

    def _decide_what_is_due(self) -> None:
        if any(one.resolve_at is not None and one.resolve_at <= self.now for one in self.model.incidents.values()):
            self.dedup()
        if any(one.due is not None and one.due <= self.now for one in self.model.incidents.values()):
            self.escalate()

    # What holds at any moment

    @invariant()
    def holds(self) -> None:
        before, self.rows = self.rows, self._look()
        self._incidents_are_where_the_model_says()
        self._nothing_goes_back(before)
        self._no_promise_is_forgotten(before)
        self._whoever_was_paged_hears_of_the_end()
        self.now += MOMENT
        self.steps += 1

    def _incidents_are_where_the_model_says(self) -> None:
        due = {number: one.due_at for number, one in self.rows.escalations.items()}
        found = {
            number: (one.state, one.generation, one.severity, one.policy_name, one.resolved_by, one.assigned_to, due[number])
            for number, one in self.rows.incidents.items()
        }
        assert found == {
            number: (one.state, one.generation, one.severity, one.policy, one.resolved_by, one.assigned_to, one.due)
            for number, one in self.model.incidents.items()
        }
        for number, escalation in self.rows.escalations.items():
            incident = self.rows.incidents[number]
            assert escalation.generation == incident.generation
            assert (incident.state == "triggered") == (escalation.state in ("running", "exhausted"))
            assert incident.state != "triggered" or escalation.due_at is not None, "never silence"

    def _nothing_goes_back(self, before: Rows) -> None:
        for number, one in before.incidents.items():
            assert self.rows.incidents[number].generation >= one.generation
        for id_, page in before.pages.items():
            after = self.rows.pages[id_]
            assert after.state in NEXT.get(page.state, {page.state})
            assert after.fence - page.fence == after.attempts - page.attempts >= 0, "each lease has a fence of its own"
        for id_, page in self.rows.pages.items():
            tried = self.rows.attempts.get(id_, [])
            assert page.attempts == len(tried)
            assert page.state != "sending" or (tried[-1] == "unknown" and page.lease_until is not None)
            assert page.state not in REACHED or tried[-1] == "accepted"
        assert len({page.key for page in self.rows.pages.values()}) == len(self.rows.pages)

    def _no_promise_is_forgotten(self, before: Rows) -> None:
        made = Counter((o.incident, o.generation, o.round, o.step, o.user_name) for o in self.rows.obligations.values())
        assert made == Counter(self.model.promises)
        serving: dict[int, list[Any]] = {}
        for page in self.rows.pages.values():
            serving.setdefault(page.obligation, []).append(page)
        for id_, one in self.rows.obligations.items():
            was = before.obligations[id_].state if id_ in before.obligations else "open"
            assert was in ("open", one.state), "an obligation that ended has ended"
            mine = serving.get(id_, [])
            telling = [page for page in mine if page.channel != "inbox"] or mine
            if one.state == "open":
                incident = self.model.incidents[one.incident]
                assert (incident.state, incident.generation) == ("triggered", one.generation)
                assert any(page.state in ON_ITS_WAY for page in telling), "an open obligation has a page on its way"
                if all(self._fails(page) for page in telling if page.due_at <= self.now):
                    assert all(page.due_at <= self.now for page in telling), "the next contact is used at once"
            elif one.state in ("met", "fallback"):
                assert any(page.state in REACHED for page in telling)
            elif one.state == "breached":
                assert was != "open" or all(page.state in DEAD for page in telling)
                assert any(page.obligation is None and page.user_name != one.user_name for page in self._made_at(one.ended_at))
            assert one.state == "open" or one.ended_at is not None
            assert one.state != "excused" or one.reason

    def _fails(self, page: Any) -> bool:
        """Whether this contact took nothing, for good or three times over."""
        tired = page.state == "queued" and page.attempts >= 3 and "unknown" not in self.rows.attempts[page.id]
        return page.state in DEAD or bool(tired)

    def _made_at(self, at: datetime) -> list[Any]:
        return [page for page in self.rows.pages.values() if page.kind == "page" and page.made_at == at]

    def _whoever_was_paged_hears_of_the_end(self) -> None:
        for number, one in self.model.incidents.items():
            if one.resolved_at is None or one.since is None:
                continue
            mine = [page for page in self.rows.pages.values() if page.incident == number]
            news = [page for page in mine if page.kind in ("page", "update") and page.made_at >= one.since]
            notified = {page.user_name for page in news if page.state in REACHED}
            well = {page.user_name for page in news if page.state in REACHED and page.channel != "inbox"}
            under_way = {page.user_name for page in news if page.state == "sending" and page.channel != "inbox"}
            ends = Counter(page.user_name for page in mine if page.kind == "resolved" and page.made_at >= one.resolved_at)
            waiting = under_way - well  # the end follows where this page arrives, not into the inbox alone
            assert ends == Counter(notified - waiting - {one.resolved_by})
