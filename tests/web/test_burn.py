"""The console's error budget is the rule's: the same rates, the same limits, the same that is left, at every verdict."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.checks import service as checks
from app.checks.model import Result
from app.checks.probe import Series, Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.figures import figure
from app.people.model import SYSTEM
from app.rules import in_force, service, store
from app.rules.active import Active
from app.rules.kinds.burn_rate import Code
from app.units import format_duration
from app.web.burn import Burning, burning
from app.wording import because

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
UTC_ZONE = ZoneInfo("UTC")
PAIRS = "windows: [{long: 10m, short: 2m, budget: 20%}, {long: 30m, short: 5m, budget: 40%, speed: slow}]"
CONFIG = f"""
routes: []
checks:
  web: {{probe: health.tcp, every: 1m, with: {{host: 127.0.0.1, port: 9}}, alert: off}}
rules:
  results: {{kind: burn_rate, check: web, objective: 90%, period: 1h, {PAIRS}}}
  share: {{kind: burn_rate, check: web, objective: 99%, period: 1d, metric: failed, {PAIRS}}}
  slow: {{kind: burn_rate, check: web, objective: 90%, period: 1h, metric: seconds, above: 0.7, {PAIRS}}}
"""


def run(chance: random.Random, level: float, at: datetime) -> Result:
    if chance.random() < 0.1:
        return Result("web", at, Status.UNKNOWN, "no answer", 0.01, {})
    status = Status.CRITICAL if chance.random() < level else Status.OK
    series = tuple(Series("failed", level * chance.random(), {"host": host}) for host in "ab" if chance.random() < 0.8)
    return Result("web", at, status, "", 0.01, {"seconds": chance.random() + level / 2}, series)


def check_drawn(drawn: Burning, rule: Active) -> None:
    """What is drawn last is what the rule says."""
    by_title = {one.title: one for one in drawn.pairs}
    for burn in drawn.budget.burns:
        long, short = (format_duration(one) for one in (burn.pair.long, burn.pair.short))
        graph = by_title[f"Burn rate over {long} and {short}"].graph if by_title else None
        if graph is not None:
            wanted = [figure("burn_rate", rate) for rate in (burn.long, burn.short)]  # "–" where a window is empty
            assert [one.last for one in graph.lines] == wanted
            assert [one.text for one in graph.rows[-1].cells] == wanted
            assert [one.text for one in graph.marks] == [f"threshold {figure('burn_rate', burn.factor)}"]
    if drawn.left is not None:
        assert drawn.left.graph.last == figure("percent", 100 * drawn.budget.left)
        assert drawn.left.title == f"Error budget left over {format_duration(rule.spec.period)}"


@pytest.mark.parametrize("seed", range(3))
def test_the_console_shows_what_the_rule_decided(clean: None, seed: int) -> None:
    loaded = load_texts({"a.yaml": CONFIG}, {})
    with transaction() as db:
        apply(db, loaded, SYSTEM, NOON - MINUTE)
    chance, met = random.Random(seed), set()
    for number in range(75):
        level = 0.0 if number % 40 < 20 else chance.choice([0.1, 0.5, 1.0])
        with transaction() as db:
            checks.record(db, [run(chance, level, NOON + MINUTE * number)])
            service.evaluate(db, NOON + MINUTE * number)
            rules = {rule.name: rule for rule in in_force.book(db).rules}
            for row in store.listed(db):
                at = NOON + MINUTE * number
                drawn, (*_, reason) = burning(db, rules[row.rule], row, (at - HOUR, at), UTC_ZONE), row.reasons
                if drawn is None or reason.code not in set(Code):
                    continue
                shown = drawn.budget
                check_drawn(drawn, rules[row.rule])
                met.add((row.rule, reason.code))
                assert shown.left == reason.facts["left"]
                assert f"{shown.left_percent}% of the" in because(row.reasons)
                assert any(one.bad for one in shown.burns) is (reason.code == Code.BURNING)
                assert any(one.full for one in shown.burns) is (reason.code != Code.LEARNING)
                if reason.code != Code.LEARNING:
                    (pair,) = (one for one in shown.burns if one.pair.long.total_seconds() == reason.facts["window"])
                    if drawn.worst is not None:
                        last = drawn.worst.graph.rows[-1].cells[0].text
                        assert last == figure("burn_rate", reason.facts["rate"])
                        assert f"threshold {figure('burn_rate', reason.facts['limit'])}" in drawn.worst.graph.summary
                    assert pair.long == pytest.approx(reason.facts["rate"])
                    assert pair.factor == reason.facts["limit"]
                    assert (pair.short or 0.0) == pytest.approx(reason.facts["short_rate"])
                    assert pair.bad is (reason.code == Code.BURNING)
    assert met == {(rule, code) for rule in ("results", "share", "slow") for code in Code}
