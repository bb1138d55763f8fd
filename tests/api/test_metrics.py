"""`/metrics`: whoever has dashboards and alarms on it finds every name, help text, type, label and value where it was."""

from importlib.metadata import version

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, text

from app import beats
from app.alerts.model import AlertState
from app.checks.heartbeats.model import HeartbeatState
from app.checks.probe import Status
from app.db import transaction
from app.escalation.model import ObligationState
from app.incidents.model import OPEN
from app.metrics import store
from app.metrics.collector import text as scraped
from app.notify.model import PageState
from tests.api.conftest import Api

STATES = {
    "incidents": OPEN,
    "alerts": tuple(one for one in AlertState if one is not AlertState.RESOLVED),
    "checks": (*Status, "new"),
    "heartbeats": tuple(HeartbeatState),
    "pages": (PageState.QUEUED, PageState.SENDING),
    "obligations": (ObligationState.OPEN,),
}
ODD = 'ho"st\\x\n:1:2'  # a label that has to be escaped


def by_hand(db: Connection) -> str:
    """The page as the first release wrote it, line by line."""

    def family(name: str, help_: str) -> str:
        return f"# HELP tocsin_{name} {help_}\n# TYPE tocsin_{name} gauge\n"

    def escaped(label: str) -> str:
        return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    lines = [
        family("build_info", "1, with the version as a label."),
        f'tocsin_build_info{{version="{version("tocsin")}"}} 1\n',
        family("oldest_overdue_seconds", "Age of the oldest row that is due and not done; alarm on it."),
        f"tocsin_oldest_overdue_seconds {store.oldest_overdue(db):.3f}\n",
    ]
    counts = {(one.what, one.label): one.n for one in store.counts(db)}
    for what, labels in STATES.items():
        lines.append(family(what, f"Open {what} by state."))
        lines += [f'tocsin_{what}{{state="{label}"}} {counts.get((what, label), 0)}\n' for label in labels]
    lines.append(family("process_seen_seconds", "Seconds since a process last said that it lives."))
    lines += [
        f'tocsin_process_seen_seconds{{kind="{one.kind}",name="{escaped(one.name)}"}} {one.age:.3f}\n' for one in beats.seen(db)
    ]
    return "".join(lines)


def families(page: str) -> list[tuple[object, ...]]:
    """What Prometheus makes of a page: per family its name, type, and samples with labels; ages to the second."""
    return [
        (one.name, one.type, [(s.name, s.labels, pytest.approx(s.value, abs=2.0)) for s in one.samples])
        for one in text_string_to_metric_families(page)
    ]


def filled(api: Api) -> None:
    """Something of everything that is counted."""
    api.raise_alerts({"key": "x"}, {"key": "y", "severity": "critical"})
    with transaction() as db:
        beats.touch(db, "pager")
        beats.touch(db, "worker", {"queues": ["health"]})
        db.execute(text("update process_beat set name = :odd where kind = 'worker'"), {"odd": ODD})
        db.execute(text("update check_state set status = 'warning', next_due_at = now() - interval '1 hour'"))
        db.execute(text("update check_state set evaluate_at = now() - interval '90 seconds'"))


def test_the_page_says_what_it_said_before_the_library_wrote_it(api: Api) -> None:
    filled(api)
    with transaction() as db:
        before, after = by_hand(db), scraped(db).decode()
    assert families(after) == families(before)
    assert len(families(after)) == 9
    values = {(s.name, *s.labels.values()): s.value for one in text_string_to_metric_families(after) for s in one.samples}
    assert values["tocsin_alerts", "firing"] == 2
    assert values["tocsin_checks", "warning"] > 0
    assert values["tocsin_oldest_overdue_seconds",] > 89
    assert ("tocsin_process_seen_seconds", "worker", ODD) in values


def test_an_empty_house_shows_zeros_rather_than_nothing(db: Connection) -> None:
    page = scraped(db).decode()
    assert families(page) == families(by_hand(db))
    for what, states in STATES.items():
        assert [f'tocsin_{what}{{state="{one}"}} 0.0' in page for one in states] == [True] * len(states)
