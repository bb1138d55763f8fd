"""The result of a PromQL query about performance, from any Prometheus-compatible server.

Metrics: `value`, or the name that `metric` gives; one value for each label set of the answer. It is ok when the server
answered, unless `warning_*` or `critical_*` judge a value; no result is what `empty` says, an answer without some of the
server's stores what `partial` says. NaN and infinity are no value: unknown when there is no other,
or when limits should have judged them (`QUERY >= 0` leaves NaN out). No answer, an error and too many series are unknown: the
target's state is not known then.
"""

from app.checks.probe import Reading, Run, Status, probe
from app.checks.promql import Question, read


@probe(on_timeout=Status.UNKNOWN, metrics=lambda spec: [spec.metric])
async def measure(spec: Question, run: Run) -> Reading:
    return await read(spec, run)
