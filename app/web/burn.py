"""How fast each pair of windows of a burn-rate rule burns, and what is left of its budget: as the rule itself reckons."""

from datetime import timedelta

from sqlalchemy import Connection

from app.checks.samples import store as samples
from app.rules.active import Active
from app.rules.evaluate import series_name
from app.rules.kinds import burn_rate
from app.rules.kinds.burn_rate import Budget
from app.rules.model import SeriesStatus
from app.rules.past import Past


def burning(db: Connection, rule: Active, series: SeriesStatus) -> Budget | None:
    """One series of a rule at its newest verdict; None when the rule is of another kind, or has not seen a result yet."""
    if rule.kind is not burn_rate or not series.memory:
        return None
    at, longest = series.at, max(one.length for one in rule.lookbacks)
    past = Past()
    wanted = (rule.check_name, rule.metric, timedelta(0), at - longest, at)
    for _, _, _, when, value, labels in samples.samples_between(db, [wanted]):
        if series_name(labels) == series.series:
            past.add(when, value)
    return burn_rate.budget(rule.spec, past, at, series.memory)
