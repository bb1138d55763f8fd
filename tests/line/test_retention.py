"""What came in is kept as long as it is of use, and no longer."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import text

from app import clock, line
from app.actions import service as actions
from app.alerts import service as alerts
from app.catalog.model import Severity
from app.db import engine, transaction
from app.errors import Gone, NotFound
from app.people.model import Actor, Role
from app.settings import settings
from app.signals import service as inbox
from app.signals.model import Call, Signal, SignalStatus
from app.upkeep import drop_old_alerts, drop_old_audit, drop_old_incidents, drop_old_pages, drop_old_signals


def received(days_ago: float, number: int) -> None:
    with transaction() as db:
        for n in range(number):
            inbox.keep(db, [Call(f"integration:{days_ago:g}", (), b'{"n": %d}' % n, "trace")], clock.now(db))
        db.execute(
            text("update signal set received_at = received_at - make_interval(secs => :ago) where source = :source"),
            {"ago": days_ago * 86_400, "source": f"integration:{days_ago:g}"},
        )


def kept() -> dict[str, int]:
    with transaction() as db:
        return {row.source: row.n for row in db.execute(text("select source, count(*) as n from signal group by source"))}


@pytest.mark.parametrize("slice_", [1, 7, 20, 1_000])
def test_calls_as_they_came_are_dropped_when_their_retention_is_over(clean: None, slice_: int) -> None:
    days = settings().retain_signals_days
    received(days + 0.01, 20)
    received(days - 0.01, 3)
    received(0, 3)
    assert drop_old_signals(slice_) == 20
    assert kept() == {f"integration:{days - 0.01:g}": 3, "integration:0": 3}
    assert drop_old_signals(slice_) == 0


def test_a_night_of_a_storm_is_dropped_piece_by_piece_the_oldest_first(clean: None) -> None:
    received(90, 4)
    received(60, 4)
    assert drop_old_signals(within=0.0) == 0
    assert kept() == {"integration:90": 4, "integration:60": 4}
    with transaction() as db:
        from app.signals import store

        assert store.delete_old(db, clock.now(db), 4) == 4
    assert kept() == {"integration:60": 4}


DAYS = 400
OLD, YOUNG = DAYS + 1, DAYS - 1
PARTS = ("alert", "incident_event", "page", "page_attempt", "obligation", "escalation")
ADD_INCIDENT = """
insert into incident (group_key, title, state, severity, urgency, labels, opened_at, resolved_at, merged_into)
values ('g' || random(), 't', :state, 'error', 'high', '{}', now() - interval '900 days',
  case when :state = 'resolved' then now() - make_interval(days => :days) end, :into) returning number
"""
ADD_PARTS = """
with fired as (
  insert into alert (fingerprint, source, key, alertname, state, severity, summary, labels, annotations, links, starts_at,
    seen_at, ends_at, incident)
  select 'f' || random(), 's', 'k', 'n', case when :alert then 'firing' else 'resolved' end, 'error', 's', '{}', '{}', '[]',
    :at, :at, case when not :alert then :at end, :number from generate_series(1, :n)
), lines as (
  insert into incident_event (incident, at, kind) select :number, :at, 'note' from generate_series(1, :n)
), owed as (
  insert into obligation (incident, generation, round, target, state, made_at)
  values (:number, 1, 0, 'user:ada', case when :obligation then 'open' else 'met' end, :at)
), stands as (
  insert into escalation (incident, generation, round, step, due_at, due, state)
  values (:number, 1, 0, 1, case when :due then now() + interval '1 hour' end, 'step', 'stopped')
), pages as (
  insert into page (key, kind, incident, generation, round, channel, state, reasons, made_at, due_at, next_at, expires_at,
    ended_at)
  values ('p' || random(), 'page', :number, 1, 0, 'hook', case when :page then 'queued' else 'accepted' end, '[]',
    :at, :at, :at, :at, case when not :page then :at end) returning id
)
insert into page_attempt (page, n, at) select id, 1, :at from pages
"""


@dataclass(frozen=True)
class Past:
    """An incident that was, and what of it is still open."""

    days: int = OLD  # since it was resolved
    open: str = ""  # incident, alert, page, obligation or due
    into: int | None = None  # the index of an earlier one
    rows: int = 2


def happened(pasts: Sequence[Past]) -> list[int]:
    """Their numbers."""
    numbers: list[int] = []
    with transaction() as db:
        for one in pasts:
            into = None if one.into is None else numbers[one.into]
            state = "triggered" if one.open == "incident" else "resolved"
            numbers.append(db.scalar(text(ADD_INCIDENT), {"state": state, "days": one.days, "into": into}))
            opens = {name: one.open == name for name in ("alert", "page", "obligation", "due")}
            values = {"number": numbers[-1], "n": one.rows, "at": datetime.now(UTC) - timedelta(days=one.days), **opens}
            db.execute(text(ADD_PARTS), values)
    return numbers


def left() -> dict[str, list[int]]:
    """The numbers of the incidents that are there, by what there is of them."""
    with engine().connect() as db:
        found = {"incident": list(db.scalars(text("select number from incident order by 1")))}
        for table in PARTS:
            of = "page join page_attempt on page = id" if table == "page_attempt" else table
            found[table] = list(db.scalars(text(f"select distinct incident from {of} where incident is not null order by 1")))
        attempts = db.scalar(text("select count(*) from page_attempt where page not in (select id from page)"))
        assert attempts == 0
    return found


def whole(numbers: Sequence[int]) -> dict[str, list[int]]:
    return dict.fromkeys(("incident", *PARTS), sorted(numbers))


def emptied() -> None:
    with transaction() as db:
        db.execute(text("; ".join(f"delete from {table}" for table in ("incident", *PARTS))))


def test_a_resolved_incident_goes_with_all_that_belongs_to_it_when_its_retention_is_over(clean: None) -> None:
    assert settings().retain_incidents_days == DAYS
    _, young, open_ = happened([Past(), Past(YOUNG), Past(open="incident")])
    assert drop_old_incidents() == 1
    assert left() == whole([young, open_])
    assert drop_old_incidents() == 0


@pytest.mark.parametrize("open_", ["incident", "alert", "page", "obligation", "due"])
def test_nothing_open_is_removed_however_old(clean: None, open_: str) -> None:
    numbers = happened([Past(open=open_), Past(into=0), Past(into=1)])
    assert drop_old_incidents() == 0
    assert left() == whole(numbers)


pasts = st.lists(
    st.builds(
        Past,
        days=st.sampled_from([OLD, OLD, OLD + 90, YOUNG, 1]),
        open=st.sampled_from(["", "", "", "incident", "alert", "page", "obligation", "due"]),
        rows=st.integers(1, 4),
    ).flatmap(lambda one: st.tuples(st.just(one), st.none() | st.integers(0, 7))),
    max_size=8,
)


@given(pasts, st.sampled_from([1, 3, 9, 1000]))
@examples(max_examples=40, deadline=None, database=None)
def test_what_was_merged_goes_together_and_only_when_none_of_it_is_open_or_young(
    drawn: list[tuple[Past, int | None]], slice_: int
) -> None:
    emptied()
    made: list[Past] = []
    for one, into in drawn:  # what is merged is resolved
        merged = into is not None and into < len(made)
        made.append(replace(one, into=into, open=one.open.replace("incident", "alert")) if merged else one)
    numbers = happened(made)

    def root(n: int) -> int:
        into = made[n].into
        return n if into is None else root(into)

    kept = {root(n) for n, one in enumerate(made) if one.open or one.days < DAYS}
    stays = [numbers[n] for n in range(len(made)) if root(n) in kept]
    assert drop_old_incidents(slice_) == len(made) - len(stays)
    assert left() == whole(stays)


@pytest.mark.parametrize("slice_", [2, 5, 100])
def test_no_transaction_removes_more_than_a_slice_and_one_that_is_killed_leaves_what_can_be_gone_on_with(
    clean: None, slice_: int
) -> None:
    happened([Past(rows=1), Past(rows=30), Past(rows=1), Past(rows=2)])

    def count() -> int:
        with engine().connect() as db:
            return sum(db.scalar(text(f"select count(*) from {table}")) or 0 for table in ("alert", "incident_event"))

    before = count()
    while drop_old_incidents(slice_, within=1e-6) or count() < before:  # one transaction a run: as if it were killed after it
        assert before - count() <= slice_
        before = count()
        numbers = left()
        assert all(set(numbers[table]) <= set(numbers["incident"]) for table in PARTS), "nothing without its incident"
        if not numbers["incident"]:
            break
    drop_old_incidents(slice_)
    assert left() == whole([])


def test_a_number_is_never_given_again_and_says_that_its_incident_was_removed(clean: None) -> None:
    (number,) = happened([Past()])
    assert drop_old_incidents() == 1
    ada = Actor("ada", Role.RESPONDER, "api")
    with transaction() as db, pytest.raises(Gone, match=f"#{number} no longer exists: .* 400 days after they are resolved"):
        actions.acknowledge(db, number, ada, clock.now(db))
    with transaction() as db, pytest.raises(NotFound, match=f"#{number + 1} not found") as error:
        actions.note(db, number + 1, "word", ada, clock.now(db))
    assert not isinstance(error.value, Gone)
    assert happened([Past()]) == [number + 1]


def hold(statement: str, do: Callable[[], object]) -> None:
    """Do something while somebody else holds these rows."""
    with engine().begin() as other:
        other.execute(text(statement))
        do()


def test_what_somebody_holds_waits_and_nobody_waits_for_long(clean: None) -> None:
    first, _ = happened([Past(), Past()])
    hold(f"select from incident where number = {first} for update", lambda: drop_old_incidents())
    assert left() == whole([first])
    for table in ("alert", "page", "obligation"):
        hold(f"select from {table} where incident = {first} for update", lambda: drop_old_incidents())
        assert left() == whole([first])
    assert drop_old_incidents() == 1


def test_beside_the_line_each_incident_is_whole_or_gone(clean: None) -> None:
    numbers = happened([Past(rows=3) for _ in range(60)])
    ada, done = Actor("ada", Role.RESPONDER, "api"), threading.Event()
    reopened: list[int] = []

    def people() -> None:
        for number in numbers[::3]:
            try:
                with transaction() as db:
                    actions.reopen(db, number, ada, clock.now(db))
                reopened.append(number)
            except NotFound:
                pass
        done.set()

    def storm() -> None:
        n = 0
        while not done.is_set():
            with transaction() as db:
                raised = [
                    Signal("user:x", f"k{n}", SignalStatus.FIRING, "s", Severity.ERROR, labels={"n": f"{n}"})
                    for n in range(n, n + 5)
                ]
                alerts.accept(db, raised, clock.now(db))
            line.dedup()
            n += 5

    threads = [threading.Thread(target=one) for one in (people, storm)]
    for one in threads:
        one.start()
    while not done.is_set():
        drop_old_incidents(20)
    for one in threads:
        one.join()
    drop_old_incidents(20)
    found = left()
    assert set(found["incident"]) & set(numbers) == set(reopened)
    assert set(found["alert"]) & set(numbers) == set(reopened)
    assert set(found["incident_event"]) <= set(found["incident"])


def test_ended_alerts_without_an_incident_go_and_others_stay(clean: None) -> None:
    with transaction() as db:
        db.execute(
            text("""
            insert into alert (fingerprint, source, key, alertname, state, severity, summary, labels, annotations, links,
              starts_at, seen_at, ends_at)
            select 'f' || n, 's', 'k' || n, 'n', state, 'error', 's', '{}', '{}', '[]', at, at,
              case when state = 'resolved' then at end
            from generate_series(1, 40) n, lateral (select case when n % 4 = 0 then 'suppressed' else 'resolved' end as state,
              now() - make_interval(days => case when n <= 30 then :old else :young end) as at) as x
            """),
            {"old": OLD, "young": YOUNG},
        )
    assert drop_old_alerts(7) == 23
    with engine().connect() as db:
        assert db.scalar(text("select count(*) from alert")) == 17
    assert drop_old_alerts(7) == 0


@pytest.mark.parametrize("slice_", [1, 7, 1000])
def test_test_pages_and_the_audit_log_have_their_retention(clean: None, slice_: int) -> None:
    with transaction() as db:
        db.execute(
            text("""
            with pages as (
              insert into page (key, kind, generation, round, channel, state, reasons, made_at, due_at, next_at, expires_at,
                ended_at)
              select 'p' || n, 'test', 1, 0, 'hook', case when n <= 3 then 'queued' else 'accepted' end, '[]', at, at, at, at,
                case when n > 3 then at end
              from generate_series(1, 20) n, lateral (select now() - make_interval(days => 401 - n / 11 * 2) as at) as x
              returning id
            )
            insert into page_attempt (page, n, at) select id, 1, now() from pages
            """)
        )
        db.execute(
            text("""
            insert into audit (at, via, action, object, detail)
            select now() - make_interval(days => case when n <= 12 then 731 else 729 end), 'api', 'a', 'o', '{}'
            from generate_series(1, 20) n
            """)
        )
    assert (drop_old_pages(slice_), drop_old_audit(slice_)) == (7, 12)
    with engine().connect() as db:
        assert db.scalar(text("select count(*) from page")) == db.scalar(text("select count(*) from page_attempt")) == 13
        assert db.scalar(text("select count(*) from audit where at < now() - interval '730 days'")) == 0
    assert (drop_old_pages(slice_), drop_old_audit(slice_)) == (0, 0)
