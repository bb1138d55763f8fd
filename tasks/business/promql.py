"""The result of a PromQL query about the business, such as orders per minute, from any Prometheus-compatible server.

Metrics: `value`, or the name set in `metric`; one value for each label set in the result.

Ok if the server responds, unless a value exceeds `warning_*` or `critical_*`. `empty` sets the status of an empty result,
`partial` that of a partial response. NaN and infinity do not count as values: the result is unknown if there are no others, or
if a limit would apply to them (`QUERY >= 0` drops NaN). Unknown: no response, an error, or too many series, since the target's
state is then not known. It is critical only if a limit or `empty` says so.
"""

from app.checks.probe import Reading, Run, Status, probe
from app.checks.promql import Question, read


@probe(on_timeout=Status.UNKNOWN, metrics=lambda spec: [spec.metric])
async def measure(spec: Question, run: Run) -> Reading:
    return await read(spec, run)
