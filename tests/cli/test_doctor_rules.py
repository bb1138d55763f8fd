"""`tocsin doctor` names a rule that can never fire, because its check does not report what it reads."""

from datetime import UTC, datetime

from app import clock, line
from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from tests.cli.conftest import Tocsin

CONFIG = """
routes: []
checks: {web: {probe: health.tcp, with: {host: 127.0.0.1, port: 9}}}
rules:
  slow: {kind: threshold, check: web, metric: METRIC, above: 1}
"""


def judged(metric: str) -> None:
    loaded = load_texts({"a.yaml": CONFIG.replace("METRIC", metric)}, {})
    assert not loaded.errors
    with transaction() as db:
        apply(db, loaded, SYSTEM, clock.now(db))
        checks.record(db, [Result("web", datetime.now(UTC), Status.OK, "", 0.1, {"seconds": 0.1})])
    line.evaluate()


def test_a_rule_over_a_metric_that_its_check_does_not_give_is_named_with_the_nearest(tocsin: Tocsin) -> None:
    judged("secnds")
    assert 'rule "slow" reads secnds, which check "web" does not report (did you mean "seconds"?)' in tocsin("doctor").out
    judged("seconds")
    assert "does not report" not in tocsin("doctor").out
