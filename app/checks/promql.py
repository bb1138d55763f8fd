"""What a PromQL query says now: all that the probes of the families do which ask one."""

from app.checks.limits import Limits
from app.checks.probe import Reading, Run, Series, Spec, Status, Unknown, worst
from app.failure import Failed
from app.net.prometheus import Answer, Query, ask, written


class Question(Query, Limits, Spec):
    """What is asked of which server, and how the answer is judged."""


async def read(spec: Question, run: Run) -> Reading:
    """The answer and what it deserves. Raises Unknown when there is none."""
    try:
        answer = await ask(spec, run.timeout)
    except (Failed, ValueError) as error:
        raise Unknown(str(error)) from None
    statuses, findings = _judge(answer, spec)
    return Reading(
        worst(map(Status, statuses)),
        findings,
        {spec.metric: value for labels, value in answer.samples if not labels},  # noqa: B035  # at most one
        tuple(Series(spec.metric, value, labels) for labels, value in answer.samples if labels),
    )


def _judge(answer: Answer, query: Question) -> tuple[list[str], str]:
    """The statuses that an answer deserves, of which the worst counts, and what to say of it."""
    grade, findings = query.judge({f"{query.metric}{written(labels)}": value for labels, value in answer.samples})
    statuses: list[str] = [grade]
    if not answer.samples:
        statuses.append("unknown" if answer.skipped else query.empty)
        findings = ["the query returned no value"]
    elif answer.skipped and query.judges:
        statuses.append("unknown")
    if answer.partial:
        statuses.append(query.partial)
    if not findings:
        labels, value = answer.samples[0]
        single = f"{query.metric}{written(labels)} {value:g}"
        findings = [f"{len(answer.samples)} series" if len(answer.samples) > 1 else single]
    return statuses, "; ".join((*findings, *answer.skipped, *answer.warnings))
