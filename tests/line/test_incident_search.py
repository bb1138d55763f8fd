"""What a search finds is what its matchers and words say of each incident and its alerts, whole, in order, page after page."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import Connection
from sqlalchemy import text as sql

from app import line
from app.actions import service as actions
from app.alerts import store as alerts
from app.alerts.model import Alert
from app.catalog.filter import parsed
from app.catalog.matcher import matches
from app.catalog.model import Severity
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.errors import Conflict, Invalid
from app.incidents.model import OPEN, Incident, IncidentState
from app.incidents.search import store
from app.incidents.search.model import Order, Position, Search, Since, parse_position, position
from app.people.model import SYSTEM, Actor, Role
from app.signals.model import Signal, SignalStatus
from tests.decisions.words import NOON
from tests.sent import intake

CONFIG = """
users: {ada: {role: admin}, bo: {role: responder}}
teams: {shop: {members: [ada]}, data: {members: [bo]}}
services: {web: {team: shop}, db: {team: data}}
policies: {a: {steps: [{page: "user:ada"}]}, b: {steps: [{page: "user:bo"}]}}
routes: [{match: 'service="db"', policy: b}, {policy: a}]
grouping: [{match: 'group=~".+"', by: [group]}, {by: [alertname]}]
"""
Known = dict[int, tuple[Incident, list[Alert]]]
LATER = NOON + timedelta(days=30)
ADA = Actor("ada", Role.ADMIN, "api")


@pytest.fixture
def incidents(clean: None) -> Known:
    """Some seventy of them, in every state, with one to several alerts, and those with their alerts taken away by a merge."""
    rng, now = random.Random(1), NOON
    loaded = load_texts({"a.yaml": CONFIG}, {})
    assert not loaded.errors, loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, now)
    for n in range(160):
        now += timedelta(seconds=rng.choice([1, 30, 700]))
        labels = {"group": rng.choice(["", "", "x", "y"]), "region": rng.choice(["eu-1", "eu-2", "us%", "", "a_b"])}
        labels |= {"title": "of the alert"} if n % 9 == 0 else {}
        summary = f"{rng.choice(['Disk full', 'latency_x', '100% slow', 'Über'])} {n}"
        service = rng.choice([None, "web", "db", "other"])
        severity = rng.choice(list(Severity))
        intake(
            "user:t",
            [Signal("user:t", f"k{n}", SignalStatus.FIRING, summary, severity, f"a{n}", service, labels=labels)],
            now,
        )
        if n % 5 == 0:
            line.dedup(now)
            line.escalate(now)
            act(rng, now)
    line.dedup(now)
    line.escalate(now)
    with transaction() as db:
        every = store.found(db, Search(), limit=500)
        of_it: dict[int, list[Alert]] = {one.number: [] for one in every}
        for alert in alerts.of_incidents(db, list(of_it)):
            of_it[alert.incident or 0].append(alert)
    assert {one.state for one in every} == set(IncidentState)
    assert any(not of_one for of_one in of_it.values()), "one was merged"
    assert max(map(len, of_it.values())) > 2
    return {one.number: (one, of_it[one.number]) for one in every}


def act(rng: random.Random, now: datetime) -> None:
    with transaction() as db:
        open_ = [one.number for one in store.found(db, Search(OPEN), limit=500)]
    for do in (actions.acknowledge, actions.resolve):
        try:
            with transaction() as db:
                do(db, rng.choice(open_), ADA, now)
        except Conflict:
            pass
    if len(open_) > 3 and rng.random() < 0.3:
        try:
            with transaction() as db:
                one, other = rng.sample(open_, 2)
                actions.merge(db, one, other, ADA, now)
        except Conflict:
            pass


def label_sets(incident: Incident, of_it: list[Alert]) -> Iterator[dict[str, str]]:
    """What matchers see of an incident: a set for each of its alerts, or one where it has none."""
    own = {
        name: getattr(incident, name) or ""
        for name in ("title", "state", "severity", "urgency", "acknowledged_by", "assigned_to")
    }
    own |= {"policy": incident.policy_name or "", "number": str(incident.number)}
    group = {**incident.labels, "service": incident.service or "", "team": incident.team or ""}
    for labels in [dict(one.labels) for one in of_it] or [{}]:
        yield group | {name: value for name, value in labels.items() if value} | own


def expected(known: Known, search: Search) -> list[int]:
    def somewhere(incident: Incident, of_it: list[Alert], word: str) -> bool:
        texts = [incident.title, incident.service or "", incident.team or ""]
        texts += [text for one in of_it for text in (one.summary, *one.labels.values())]
        return word.removeprefix("#") == str(incident.number) or any(word.lower() in text.lower() for text in texts)

    found = [
        one
        for one, of_it in known.values()
        if (not search.states or one.state in search.states)
        and all(getattr(one, name) == value for name, value in search.equal.items())
        and (search.teams is None or one.team in search.teams)
        and all(somewhere(one, of_it, word) for word in search.words)
        and any(matches(search.matchers, labels) for labels in label_sets(one, of_it))
    ]
    unacknowledged_last = {IncidentState.TRIGGERED: 0}
    keys = {
        Order.WORST: lambda one: (-one.severity.rank, unacknowledged_last.get(one.state, 1), one.number),
        Order.NEWEST: lambda one: -one.number,
        Order.OLDEST: lambda one: one.number,
    }
    return [one.number for one in sorted(found, key=keys[search.order])]


TEXTS = [
    "",
    'region="eu-1"',
    'region=""',
    'region!="eu-1"',
    'region=~"eu-.*"',
    'region!~"eu-.*|us%"',
    'region=~"(?i)EU-[12]"',
    'region="us%", service="web"',
    'group="x"',
    'group="x", region="eu-2"',
    'service=""',
    'service!="web"',
    'team="data"',
    'team=~"shop|data"',
    'title=~"Disk.*"',
    'title="of the alert"',
    'severity="critical"',
    'severity!~"critical|error"',
    'state="triggered", region="a_b"',
    'acknowledged_by="ada"',
    'policy="b"',
    'number=~"1."',
    'nothing="here"',
    'nothing=""',
    "disk",
    "full DISK",
    "100%",
    "latency_x",
    "a_b",
    "über",
    "#7",
    "12",
    "eu-1 web",
    "zzz",
]


def test_a_search_finds_what_it_says(
    incidents: Known,
) -> None:
    for text, states, order, more in product(TEXTS, [(), OPEN, (IncidentState.RESOLVED,)], Order, [{}, {"service": "web"}]):
        matchers, words = parsed(text)
        search = Search(states, more, words=words, matchers=matchers, order=order)
        wanted = expected(incidents, search)
        with transaction() as db:
            assert [one.number for one in store.found(db, search, limit=500)] == wanted, search
            assert store.count(db, search) == len(wanted), search
            if not more:
                assert in_pages(db, search) == wanted, search


def in_pages(db: Connection, search: Search) -> list[int]:
    """All of it, seven at a time, by positions as a URL carries them."""
    numbers: list[int] = []
    place: Position | None = None
    while page := store.found(db, search, place, 7):
        numbers += [one.number for one in page]
        place = parse_position(str(position(page[-1], search.order)), search.order)
    return numbers


def test_whose_they_are(incidents: Known) -> None:
    with transaction() as db:
        mine = {one.number for one in store.found(db, Search(person="bo"), limit=500)}
        teams = {one.number for one in store.found(db, Search(teams=("data",)), limit=500)}
    every = [one for one, _ in incidents.values()]
    assert teams == {one.number for one in every if one.team == "data"}
    assert mine == {one.number for one in every if one.policy_name == "b" and one.state is IncidentState.TRIGGERED}
    assert mine
    with transaction() as db:
        assert store.found(db, Search(teams=()), limit=500) == []


def test_what_is_new_is_counted_and_the_worst_of_it_named(incidents: Known) -> None:
    search = Search(OPEN, order=Order.WORST)
    numbers = expected(incidents, search)
    than = sorted(numbers)[len(numbers) // 2]
    fresh = [number for number in numbers if number > than]
    with transaction() as db:
        for known in ((), tuple(fresh[:1])):
            tally = store.tally(db, search, Since(than, LATER, known, whole=False))
            assert (tally.new, tally.worst_new) == (len(fresh) - len(known), fresh[len(known)])
            assert (tally.reopened, tally.worst_reopened) == (0, None)
        assert store.tally(db, search, Since(store.highest(db), LATER, (), whole=False)).new == 0
        everything = store.tally(db, search, Since(than, LATER, tuple(fresh), whole=True))
        assert everything.new == len(numbers) - len(fresh), "of a whole list all that is not on it"
        assert everything.worst_new == next(number for number in numbers if number not in fresh)
        assert store.highest(db) == max(incidents)


def test_old_ones_that_are_open_again_are_counted_apart(incidents: Known) -> None:
    search = Search(OPEN, order=Order.WORST)
    numbers = expected(incidents, search)
    with transaction() as db:
        highest = store.highest(db)
        again = sql("update incident set reopened_at = :at where number = any(:numbers)")
        db.execute(again, {"at": LATER + timedelta(seconds=1), "numbers": [numbers[3], numbers[5], numbers[6]]})
        for whole in (False, True):
            tally = store.tally(db, search, Since(highest, LATER, tuple(numbers[:5]), whole=whole))
            assert (tally.reopened, tally.worst_reopened) == (2, numbers[5]), "one is on the page"
            assert tally.new == (len(numbers) - 7 if whole else 0)
        assert store.tally(db, search, Since(numbers[5] - 1, LATER, (), whole=False)).reopened < 3, "a new one is new"


def test_a_storm_is_summed_up_by_service(incidents: Known) -> None:
    search = Search(OPEN)
    with transaction() as db:
        tally = store.tally(db, search)
    counts = tally.services
    assert sum(one.incidents for one in counts) == tally.total == len(expected(incidents, search))
    for one in counts:
        of_it = [each for each, _ in incidents.values() if each.open and each.service == one.service]
        assert one.incidents == len(of_it)
        assert one.unacknowledged == sum(each.state is IncidentState.TRIGGERED for each in of_it)
        assert one.worst is max((each.severity for each in of_it), key=lambda severity: severity.rank)
    assert [one.worst.rank for one in counts] == sorted((one.worst.rank for one in counts), reverse=True)


@pytest.mark.parametrize("text", ["x", "1.2", "-1", "1.", "9" * 19, "١"])
def test_a_position_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="invalid cursor"):
        parse_position(text, Order.NEWEST)


def test_a_position_of_another_order_is_refused() -> None:
    with pytest.raises(Invalid, match="invalid cursor"):
        parse_position("12", Order.WORST)


@pytest.mark.parametrize(
    "text, why",
    [
        (" ".join(map(str, range(17))), "too many words: 17"),
        (",".join(f"a{n}=b" for n in range(17)), "too many matchers: 17"),
        ("x" * 1025, "too long: 1,025 characters"),
        ("a" + " " * 1025 + "=b", "too long"),
        ("a\0b", "NUL"),
        ('a="\0"', "NUL"),
        (r'a="\x00"', "NUL"),
        (r'a!="\000"', "NUL"),
    ],
    ids=["17 words", "17 matchers", "1025 characters", "1025 spaces", "a NUL", "a quoted one", "hexadecimal", "octal"],
)
def test_what_nobody_types_is_refused(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        parsed(text)
