"""What a rule's transition means to the outside: the alert's signal, or nothing. Pure."""

import orjson

from app.reason import Code, Reason, headlines
from app.rules.active import Active
from app.rules.evaluate import ONE_SERIES, TOO_MANY, Transition, alert_key
from app.rules.model import NO_DATA_ALERT, RuleState
from app.rules.summary import Summary, render
from app.signals.model import SUMMARY_LIMIT, Signal, SignalStatus
from app.wording import because


def signal(rule: Active, step: Transition, last: bool) -> Signal | None:
    """The signal that follows from a step; `last`: it is the newest of its series in this evaluation."""
    status = _status(step, last)
    if status is None:
        return None
    spec, verdict = rule.spec, step.verdict
    labels = {**rule.check.labels, **spec.labels, **({} if step.series == ONE_SERIES else orjson.loads(step.series))}
    summary = _summary(rule, step, labels)
    return Signal(
        source=rule.source,
        key=alert_key(rule.alertname, step.series),
        status=status,
        summary=summary.text[:SUMMARY_LIMIT],
        reason_in_summary=summary.says_why,
        severity=verdict.severity,
        alertname=rule.alertname,
        service=rule.check.service,
        family=spec.family or rule.check.family,
        check=rule.check_name,
        labels=labels,
        starts_at=verdict.at,
        value=verdict.value,
        reasons=(Reason(Code.RECOVERED),) if status is SignalStatus.RESOLVED else verdict.reasons,
        runbook=spec.runbook,
        shadow=spec.mode == "shadow",
    )


def _summary(rule: Active, step: Transition, labels: dict[str, str]) -> Summary:
    verdict = step.verdict
    why = because(headlines(verdict.reasons))  # of a program that said more: its first line is its summary
    no_data = step.after.firing and step.after.memory.get(NO_DATA_ALERT)  # nothing is known of what the rule is about
    if not rule.spec.summary or step.series == TOO_MANY or no_data:
        return Summary(f"{rule.alertname}: {why}", says_why=True)
    value = verdict.value if verdict.shown is None else verdict.shown
    facts = {"value": value, "check": rule.check_name, "rule": rule.alertname, "because": why}
    return render(rule.spec.summary, facts, labels, plain=f"{rule.alertname}: {why}")


def _status(step: Transition, last: bool) -> SignalStatus | None:
    """The alert's status after this transition; None when it is unchanged.

    A firing alert is reported again by the last transition of every evaluation: it keeps its value current, and an alert that
    was ended or was not to page (a rule in shadow, a file taken back) is on again when its rule says so.
    """
    before, after = step.before, step.after
    if after.firing:
        was_critical = before.memory.get("critical")
        return SignalStatus.FIRING if last or not before.firing or was_critical != after.memory.get("critical") else None
    if after.state is RuleState.PENDING:
        return SignalStatus.PENDING if before.state is not RuleState.PENDING else None
    if before.firing or before.state is RuleState.PENDING:
        return SignalStatus.RESOLVED
    return None
