"""What a policy does next: whom a step reaches, which steps are excused, when the next one is due. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.catalog.model import WAIT, Policy
from app.errors import Conflict, Fault, Invalid
from app.escalation.model import Due, EscalationState, EscalationStatus
from app.reason import Code, Reason

AGAIN_AFTER_EXHAUSTION = timedelta(minutes=30)
LATE = timedelta(seconds=30)  # a step later than this counts its wait from now, so that an outage is not followed by a burst


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """Who or what a target stands for at the moment of the step."""

    target: str
    reason: Reason
    users: tuple[str, ...] = ()
    channel: str | None = None

    @property
    def nobody(self) -> bool:
        return not self.users and self.channel is None


@dataclass(frozen=True, slots=True)
class Step:
    """One step taken: its number counts from 1, None when the policy is exhausted."""

    round: int
    step: int | None
    targets: tuple[ResolvedTarget, ...]
    reason: Reason

    @property
    def excused(self) -> bool:
        return all(one.nobody for one in self.targets)


@dataclass(frozen=True, slots=True)
class LastResort:
    """Who answers when nobody else does: `platform.owners`, and every admin where those are nobody."""

    owners: tuple[str, ...]
    admins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps taken at once (excused ones first), and where the incident stands after them."""

    steps: tuple[Step, ...]
    after: EscalationState


def plan(
    policy: Policy | None,
    last: LastResort,
    who: Mapping[str, ResolvedTarget],
    before: EscalationState,
    now: datetime,
    beside: str | None = None,
) -> Plan:
    """Take the step that is due. `who` resolves every target of the policy and of `last` (if_exhausted's default).

    An `if_exhausted` that is nobody just now falls to the owners, and these to the admins: never silence.
    beside: a login that is paged beside the first step taken, see `assignee_beside`; `who` resolves it, too.
    """
    taken: list[Step] = []
    at = before.due_at if before.due_at and now - before.due_at < LATE else now
    position = before
    while policy is not None and position.round <= policy.repeat:
        step = policy.steps[position.step]
        facts = {"step": position.step + 1, "of": len(policy.steps), "round": position.round}
        made = _step(position.round, position.step + 1, step.page, who, Reason(Code.STEP, facts))
        taken.append(_with(made, beside, who) if not taken else made)
        position = _next(position, len(policy.steps))
        if not taken[-1].excused:
            waiting = replace(position, due_at=at + step.wait, due=Due.STEP, state=EscalationStatus.RUNNING, held=None)
            return Plan(tuple(taken), waiting)
    why = (
        Reason(Code.EXHAUSTED, {"round": position.round, "repeat": policy.repeat})
        if policy
        else Reason(Code.NO_POLICY, {"round": position.round})
    )
    ladder = [named for named in (policy.if_exhausted if policy else None, last.owners, last.admins) if named]
    steps = [_step(position.round, None, named, who, why) for named in ladder]
    made = next((step for step in steps if not step.excused), _all_excused(steps, position.round))
    taken.append(_with(made, beside, who) if not taken else made)
    again = at + AGAIN_AFTER_EXHAUSTION
    after = replace(position, round=position.round + 1, due_at=again, due=Due.STEP, state=EscalationStatus.EXHAUSTED, held=None)
    return Plan(tuple(taken), after)


def out_of_turn(policy: Policy | None, person: ResolvedTarget, why: Reason, started: EscalationState, now: datetime) -> Plan:
    """Page one person before step 1, which follows unless they acknowledge within its wait; at once where they are nobody."""
    step = Step(started.round, None, (person,), why)
    wait = policy.steps[0].wait if policy else WAIT
    after = replace(started, due_at=now if step.excused else now + wait)
    if policy is None:  # its steps have no number, as this one has none: they are told apart by the round
        after = replace(after, round=started.round + 1)
    return Plan((step,), after)


def assignee_beside(assigned_to: str | None, paged: bool, current: EscalationState) -> str | None:
    """Who is paged beside step 1: whoever is assigned, where the policy restarts and did not page them first.

    paged: whether they were, out of turn, since the policy started last.
    """
    again = current.due is Due.AGAIN
    return assigned_to if again or ((current.round, current.step) == (0, 0) and not paged) else None


def awaits_assignee(policy: Policy | None, current: EscalationState, now: datetime) -> bool:
    """Whether nothing was paged since `out_of_turn` paged somebody, who still has time to answer."""
    begin = (0, 0) if policy else (1, 0)
    running = current.state is EscalationStatus.RUNNING and current.due is Due.STEP and current.held is None
    return running and (current.round, current.step) == begin and current.due_at is not None and current.due_at > now


def hurried(policy: Policy | None, current: EscalationState, now: datetime, step: int | None = None) -> EscalationState:
    """The next step at once, whatever the hours; or a later one of this round, `step` counts from 1: those before are left out.

    Raises Invalid for a step that the policy does not have, Conflict for one that was taken.
    """
    if step is None or policy is None:
        if step is not None:
            raise Invalid("the incident has no escalation policy, so it has no steps", [Fault("step", "unknown")])
        return _due_now(current, now)
    if not 1 <= step <= len(policy.steps):
        raise Invalid(f"the policy has no step {step}; it has {len(policy.steps)}", [Fault("step", "unknown")])
    if step not in left(policy, current):
        exhausted = current.round > policy.repeat
        following = "escalation policy exhausted" if exhausted else f"the next one is step {current.step + 1}"
        raise Conflict(f"step {step} has already run; {following}")
    return _due_now(current if step == current.step + 1 else replace(current, step=step - 1, due_at=None), now)


def left(policy: Policy | None, current: EscalationState) -> list[int | None]:
    """The steps that `hurried` takes: the next one and those after it in this round; None stands for the last resort."""
    if policy is None or current.round > policy.repeat:
        return [None]
    return list(range(current.step + 1, len(policy.steps) + 1))


def _due_now(current: EscalationState, now: datetime) -> EscalationState:
    if current.due_at is not None and current.due_at <= now:
        return current
    return replace(current, due_at=now, due=Due.HURRIED, held=None)


def recipients(step: Step) -> list[tuple[ResolvedTarget, str | None]]:
    """Each person once per step, however many targets name them; a channel or a target with nobody stands for itself."""
    found: dict[str, tuple[ResolvedTarget, str | None]] = {}
    for target in step.targets:
        for user in target.users or (None,):
            found.setdefault(f"user:{user}" if user else target.target, (target, user))
    return list(found.values())


def _all_excused(steps: Sequence[Step], round_: int) -> Step:
    return steps[0] if steps else Step(round_, None, (), Reason(Code.NOBODY_NAMED))


def others(
    last: LastResort, who: Mapping[str, ResolvedTarget], user: str | None, target: str
) -> list[tuple[ResolvedTarget, str | None]]:
    """Whom of the last resort to call when `user` (or the channel `target`) could not be reached: anybody else."""
    for named in (last.owners, last.admins):
        asked = recipients(_step(0, None, named, who, Reason(Code.NOBODY_NAMED)))
        able = [
            (one, person) for one, person in asked if not one.nobody and (person != user if person else one.target != target)
        ]
        if able:
            return able
    return []


def targets(policy: Policy | None, last: LastResort, beside: str | None = None) -> set[str]:
    """Everything `plan` may ask `who` for."""
    return {*last.owners, *last.admins, *(policy.targets if policy else ()), *([f"user:{beside}"] if beside else [])}


def _next(position: EscalationState, steps: int) -> EscalationState:
    if position.step + 1 < steps:
        return replace(position, step=position.step + 1)
    return replace(position, step=0, round=position.round + 1)


def _with(step: Step, login: str | None, who: Mapping[str, ResolvedTarget]) -> Step:
    """The step with one more person, where it does not reach them already and they can be paged."""
    if login is None or who[f"user:{login}"].nobody or any(login in one.users for one in step.targets):
        return step
    return replace(step, targets=(*step.targets, replace(who[f"user:{login}"], reason=Reason(Code.ASSIGNEE, {"user": login}))))


def _step(round_: int, number: int | None, named: Sequence[str], who: Mapping[str, ResolvedTarget], reason: Reason) -> Step:
    return Step(round_, number, tuple(who[target] for target in named), reason)
