"""Decides the rules that are made of other rules, from where those stand. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.rules.active import Active
from app.rules.evaluate import ONE_SERIES, TOO_MANY, Transition, overflow
from app.rules.judge import judge
from app.rules.model import Finding, Standing, State

Standings = Mapping[str, Mapping[str, Standing]]  # by rule, by series
TELLS_NOTHING = (State.UNKNOWN, State.LEARNING)


def over_members(rule: Active, standings: Standings, at: datetime) -> list[Transition]:
    """Evaluate every label set of a composite's members at `at`.

    A member without labels holds for all label sets; where no member has any there is one series.
    """
    own = standings.get(rule.name, {})
    names = {series: None for member in rule.members for series in standings.get(member, {}) if series != TOO_MANY}
    labelled = [series for series in names if series != ONE_SERIES] or [ONE_SERIES]
    now = set(labelled)
    ended = [series for series in own if series != TOO_MANY and series not in now]
    judged = sorted(labelled, key=lambda series: series not in own)[: rule.spec.max_series]  # known ones first
    steps: list[Transition] = []
    for series in [*ended, *judged]:
        before = own.get(series, Standing())
        over = len(steps) < len(ended)
        finding = Finding(False, True, None, "the series has ended") if over else _finding(rule, standings, series)
        after, verdict = judge(before, finding, rule.patience, rule.severity, at)
        steps.append(Transition(series, before, after, verdict, gone=over))
    return steps + overflow(own.get(TOO_MANY, Standing()), len(judged), len(labelled) - len(judged), at)


def _finding(rule: Active, standings: Standings, series: str) -> Finding:
    found: Finding = rule.kind.combine(
        rule.spec, {member: _fires(standings.get(member, {}), series) for member in rule.members}
    )
    return found


def _fires(of_member: Mapping[str, Standing], series: str) -> bool | None:
    """Whether a member's alert is on for a label set; None when that cannot be told."""
    standing = of_member.get(series) or of_member.get(ONE_SERIES)
    if standing is None:
        return False if of_member else None  # it has label sets, and not this one; or it was never evaluated
    if standing.firing:
        return True
    return None if standing.state in TELLS_NOTHING else False


def in_order(composites: Sequence[Active], changed: set[str]) -> list[Active]:
    """The composites that any of these rules is part of, directly or by others, in the order in which they can be decided."""
    found = []
    for rule in composites:
        if changed & set(rule.members):
            found.append(rule)
            changed = changed | {rule.name}
    return found
