"""Runs a monitoring plugin (Nagios, Icinga, Checkmk local checks) and reports its status.

Metrics: the plugin's performance data in base units, with the unit in the name: `time_seconds`, `size_bytes`, `pl_percent`,
`requests_total`. A label that is not a plain word becomes `value_UNIT` with the label `label`: `value_bytes{label="/home"}`.

Ok, warning and critical are the plugin's exit codes 0, 1 and 2, regardless of its text. Unknown: exit code 3 or any other, a
signal, a missing plugin, or no exit within the timeout. No shell is involved: pipes, globs and variables are ordinary
characters.
"""

import re
import shlex
import signal
from collections.abc import Iterator

from pydantic import field_validator

from app.checks.probe import Field, Reading, Run, SecretStr, Series, Spec, Status, Unknown, probe
from app.failure import Failed
from app.host import program

FOLDERS = (  # where distributions put plugins
    "/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins", "/usr/lib/monitoring-plugins", "/usr/libexec/nagios",
    "/usr/local/nagios/libexec", "/usr/local/libexec/nagios",
)  # fmt: skip
STATUSES = {0: Status.OK, 1: Status.WARNING, 2: Status.CRITICAL, 3: Status.UNKNOWN}
HEADLINE = 400  # characters of the first line
DETAIL_LINES, DETAIL = 5, 400  # lines and characters of what follows
MAX_METRICS = 200
SHORTEST_SECRET = 4  # characters; "1" in the environment is no secret, and replacing it would spoil every figure

PERFDATA = re.compile(
    r"(?<!\S)(?:'(?P<quoted>(?:[^'=]|''){1,200})'|(?P<bare>[^\s'=]{1,200}))"
    r"=(?P<value>[+-]?[\d.,]{1,40}(?:[eE][+-]?\d{1,3})?)(?P<unit>[^\s;\d]{0,10})(?=[;\s]|\Z)"
)
WORD = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
TEMPORAL = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}  # check_disk's MB is 1024 * 1024 bytes


class Plugin(Spec):
    """What is run."""

    command: list[str] | str = Field(
        min_length=1,
        description="the plugin and its arguments: a list, or one line that is split as a shell would split it, but"
        " never passed to a shell. A name without a slash is searched in the usual plugin folders and the system's PATH",
        examples=[["check_procs", "-C", "cron", "-c", "1:1"]],
    )
    environment: dict[str, SecretStr] = Field(
        default={}, description="variables for the plugin, e.g. a password; it gets only these, PATH, HOME and LC_ALL=C"
    )
    max_bytes: int = Field(default=65_536, ge=256, le=1_048_576, description="maximum bytes of its output to keep")

    @field_validator("command")
    @classmethod
    def _check_command(cls, given: list[str] | str) -> list[str] | str:
        """One line is as good as a list, if its quotes are closed."""
        arguments = shlex.split(given) if isinstance(given, str) else given
        if not arguments or not arguments[0]:
            raise ValueError("no plugin given")
        if "/" in arguments[0] and not arguments[0].startswith("/"):
            raise ValueError(f"{arguments[0]}: write the absolute path")
        return given

    def arguments(self) -> list[str]:
        """Program and arguments."""
        return shlex.split(self.command) if isinstance(self.command, str) else self.command


@probe(on_timeout=Status.UNKNOWN, metrics=lambda _: None)
async def measure(spec: Plugin, run: Run) -> Reading:
    secrets = {name: value.get_secret_value() for name, value in spec.environment.items()}
    arguments = spec.arguments()
    try:
        result = await program.run(arguments, run.timeout * 0.9, env=program.environment(secrets, FOLDERS), most=spec.max_bytes)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    text, detail, perfdata = dissect(result.out)
    output = text or _first_line(result.err)
    status = STATUSES.get(result.code, Status.UNKNOWN)
    parts = [_describe_exit(arguments[0].rpartition("/")[2], result.code, output, status), detail]
    metrics, series = measured(perfdata)
    return Reading(status, _without(secrets, "\n".join(filter(None, parts))), metrics, series)


def dissect(out: str) -> tuple[str, str, str]:
    """First line, the beginning of the rest, performance data. Source: plugin guidelines, after the first | each time."""
    head, _, rest = out.strip().partition("\n")
    text, _, perfdata = head.partition("|")
    detail, _, more = rest.partition("|")
    lines = [line.rstrip() for line in detail.strip().splitlines() if line.strip()]
    short = "\n".join(lines[:DETAIL_LINES])[:DETAIL]
    return text.strip()[:HEADLINE], short, f"{perfdata} {more}".strip()


def measured(perfdata: str) -> tuple[dict[str, float], tuple[Series, ...]]:
    """Metrics by plain labels and series by the others; what is no performance data (a usage text with |) gives none."""
    metrics: dict[str, float] = {}
    series: dict[tuple[str, str], Series] = {}
    for label, value, unit in _values(perfdata):
        name = _with_unit(re.sub(r"\W", "_", label, flags=re.ASCII), unit)
        if WORD.fullmatch(label) and name != "seconds":  # `seconds` is the run's own
            metrics.setdefault(name, value)
        else:
            name = _with_unit("value", unit)
            series.setdefault((name, label), Series(name, value, {"label": label}))
        if len(metrics) + len(series) == MAX_METRICS:
            break
    return metrics, tuple(series.values())


def _values(perfdata: str) -> Iterator[tuple[str, float, str]]:
    """Label, value in base units, suffix of the metric's name. `U` (unknown) is no value."""
    for found in PERFDATA.finditer(perfdata):
        label = (found["quoted"] or "").replace("''", "'").strip() or found["bare"]
        try:
            value = float(found["value"].replace(",", "."))
        except ValueError:  # 1.2.3, a version
            continue
        if label:
            factor, suffix = _unit(found["unit"])
            yield label, value * factor, suffix


def _unit(unit: str) -> tuple[float, str]:
    if unit in TEMPORAL:
        return TEMPORAL[unit], "seconds"
    if unit.lower().replace("ib", "b") in BYTES:
        return BYTES[unit.lower().replace("ib", "b")], "bytes"
    return 1.0, {"%": "percent", "c": "total"}.get(unit) or re.sub(r"\W", "", unit, flags=re.ASCII).lower()


def _with_unit(name: str, unit: str) -> str:
    return name if not unit or name == unit or name.endswith(f"_{unit}") else f"{name}_{unit}"


def _describe_exit(name: str, code: int, output: str, status: Status) -> str:
    """The plugin's output, and how it ended where that matters."""
    if code < 0:
        end = f"{name} was terminated by {_signal(-code)}"
        return f"{end}: {output}" if output else end
    if code not in STATUSES:
        return (
            f"{name} exited with {code}, which is not a plugin status: {output}"
            if output
            else f"{name} exited with {code}, no output"
        )
    if not output:
        return f"{name} exited with {code}, no output"
    claimed = next((word for word in ("CRITICAL", "WARNING", "UNKNOWN") if re.search(rf"\b{word}\b", output)), None)
    if status is Status.OK and claimed:
        return f"{output} (the output says {claimed}, but the exit code 0 counts)"
    return output


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:HEADLINE]


def _without(secrets: dict[str, str], message: str) -> str:
    for secret in secrets.values():
        if len(secret) >= SHORTEST_SECRET:
            message = message.replace(secret, "***")
    return message
