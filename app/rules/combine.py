"""Decides the rules that are made of other rules, from the states of those. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.reason import Code, Reason
from app.rules.active import Active
from app.rules.evaluate import ONE_SERIES, TOO_MANY, Transition, overflow
from app.rules.judge import judge
from app.rules.model import Finding, RuleState, SeriesState

States = Mapping[str, Mapping[str, SeriesState]]  # by rule, by series
UNKNOWN = (RuleState.UNKNOWN, RuleState.LEARNING)


def over_members(rule: Active, states: States, at: datetime) -> list[Transition]:
    """Evaluate every label set of a composite's members at `at`.

    A member without labels holds for all label sets; where no member has any there is one series.
    """
    own = states.get(rule.name, {})
    names = {series: None for member in rule.members for series in states.get(member, {}) if series != TOO_MANY}
    labelled = [series for series in names if series != ONE_SERIES] or [ONE_SERIES]
    now = set(labelled)
    ended = [series for series in own if series != TOO_MANY and series not in now]
    judged = sorted(labelled, key=lambda series: series not in own)[: rule.spec.max_series]  # known ones first
    steps: list[Transition] = []
    for series in [*ended, *judged]:
        before = own.get(series, SeriesState())
        over = len(steps) < len(ended)
        finding = Finding(False, True, None, Reason(Code.SERIES_ENDED)) if over else _finding(rule, states, series)
        after, verdict = judge(before, finding, rule.timing, rule.severity, at)
        steps.append(Transition(series, before, after, verdict, gone=over))
    return steps + overflow(own.get(TOO_MANY, SeriesState()), len(judged), len(labelled) - len(judged), at)


def _finding(rule: Active, states: States, series: str) -> Finding:
    found: Finding = rule.kind.combine(rule.spec, {member: _fires(states.get(member, {}), series) for member in rule.members})
    return found


def _fires(of_member: Mapping[str, SeriesState], series: str) -> bool | None:
    """Whether a member's alert is on for a label set; None when that is unknown."""
    found = of_member.get(series) or of_member.get(ONE_SERIES)
    if found is None:
        return False if of_member else None  # it has label sets, and not this one; or it was never evaluated
    if found.firing:
        return True
    return None if found.state in UNKNOWN else False


def in_order(composites: Sequence[Active], changed: set[str]) -> list[Active]:
    """The composites that any of these rules is part of, directly or by others, in the order in which they can be decided."""
    found = []
    for rule in composites:
        if changed & set(rule.members):
            found.append(rule)
            changed = changed | {rule.name}
    return found
