"""Whom escalation policies reach right now: the line's own plan, run ahead with everybody looked up once, for now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.catalog import store as catalog
from app.catalog.model import Policy
from app.escalation.ahead import EscalationTerms, ahead
from app.escalation.model import EscalationState
from app.escalation.plan import ResolvedTarget, targets
from app.escalation.service import owners, resolve
from app.oncall import service as oncall
from app.people import store as people


@dataclass(frozen=True, slots=True)
class StepNow:
    """One step and whom it reaches now. number: counts from 1; None for what follows when the policy is exhausted."""

    number: int | None
    targets: tuple[ResolvedTarget, ...]
    wait: timedelta | None  # before the next one


Policies = Mapping[str | None, Policy | None]  # None: what pages without a policy


def reaching(db: Connection, policies: Policies, now: datetime) -> dict[str | None, tuple[StepNow, ...]]:
    """The steps of one round of each of these policies, and what follows when it is exhausted."""
    directory = people.directory(db, catalog.defaults(db).timezone)
    last, timetable = owners(db, directory), oncall.timetable(db)
    wanted = {target for policy in policies.values() for target in targets(policy, last)}
    who = resolve(db, wanted, directory, now)
    terms = {
        name: EscalationTerms(policy.model_copy(update={"repeat": 0}) if policy else None, last, None, timetable)
        for name, policy in policies.items()
    }
    return {name: tuple(_steps(one, who, now)) for name, one in terms.items()}


def _steps(terms: EscalationTerms, who: Mapping[str, ResolvedTarget], now: datetime) -> Iterator[StepNow]:
    for one in ahead(terms, EscalationState.started(0, 1, now), now, lambda _: who):
        number = one.step.step
        wait = terms.policy.steps[number - 1].wait if terms.policy and number else None
        yield StepNow(number, one.step.targets, wait)
