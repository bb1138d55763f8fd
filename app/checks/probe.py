"""What a probe is: the one thing a module in `tasks/<family>/` imports.

    \"\"\"Answers a TCP connection within the time-out.\"\"\"
    from app.checks.probe import Field, Reading, Run, Spec, Status, Unreachable, probe

    class Target(Spec):
        host: str = Field(description="name or address")
        port: int = Field(ge=1, le=65535)

    @probe(on_timeout=Status.CRITICAL)
    async def measure(spec: Target, run: Run) -> Reading: ...

The module's name is the probe's name, its folder the family and queue; schema, documentation row, form and task follow.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from app.checks.baseline import Drift, drift
from app.failure import Failed, Kind
from app.log import get
from app.reason import Code, Reason
from app.sentence import lower_first
from app.units import Duration, binary, counted, length, measured
from app.visible import printable
from app.walltime import stamp
from app.wording import text

__all__ = [
    "Absent",
    "Drift",
    "Duration",
    "Field",
    "Probe",
    "Reading",
    "Run",
    "SecretStr",
    "Series",
    "Spec",
    "Status",
    "Unknown",
    "Unreachable",
    "binary",
    "counted",
    "drift",
    "length",
    "lower_first",
    "measured",
    "printable",
    "probe",
    "stamp",
    "unanswered",
    "worst",
]  # fmt: skip


log = get(__name__)


class Status(StrEnum):
    """What one run found."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"  # it could not tell; never counted as ok


_BADNESS = (Status.OK, Status.UNKNOWN, Status.WARNING, Status.CRITICAL)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several findings; ok when there is none. What could not be told is worse than ok, and hides nothing bad."""
    return max(statuses, key=_BADNESS.index, default=Status.OK)


class Unreachable(Exception):
    """The target did not answer, or not as it must: the result is critical."""


class Unknown(Exception):
    """The probe itself was prevented (no right, no such file, bad credentials): the result is unknown."""

    reason: Reason | None = None  # where a program needs to know which prevention it was


def unanswered(failed: Failed, *blind: Kind) -> Unreachable | Unknown:
    """What it means that the target did not answer: critical, but unknown where we may not go and for the kinds in `blind`."""
    return (Unknown if failed.kind in (Kind.BLOCKED, *blind) else Unreachable)(str(failed))


class Absent(Unknown):
    """This host has none of what the probe reads, and need not have it: unknown, and nothing to fix."""

    def __init__(self, what: str) -> None:
        self.reason = Reason(Code.NOT_ON_HOST, {"what": what})
        super().__init__(text(self.reason))


class Spec(BaseModel):
    """Base of what a probe is configured with (`with:` of a check). Units stand in the description or the type."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # no value is above or below a NaN


@dataclass(frozen=True, slots=True)
class Series:
    """One value of a metric that comes in several label sets, e.g. failed logins by source."""

    metric: str
    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run found. Metric names carry their unit: `seconds`, `free_bytes`, `used_percent`, `lag_seconds`."""

    status: Status
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    memory: Mapping[str, Any] | None = None  # JSON handed to this check's next run (a file position); None keeps the last
    observed: Mapping[str, str] | None = None  # thing -> how it is; the first becomes the baseline, later ones may be accepted
    unreachable: bool = False  # the runner's word for what `Unreachable` said
    reason: Reason | None = None  # the runner's too, for what `Absent` said


@dataclass(frozen=True, slots=True)
class Run:
    """The circumstances of one run."""

    timeout: float  # seconds; the runner gives up then. A probe that blocks a thread must give up by itself before.
    memory: Mapping[str, Any] = field(default_factory=dict)  # what this check's last run left
    baseline: Mapping[str, str] | None = None  # the observation that was accepted as normal; None before there is one

    def number(self, name: str) -> float | None:
        """A number that was remembered; None when there is none, or something else by that name."""
        return _number(self.memory.get(name))

    def numbers(self, name: str) -> dict[str, float]:
        """Numbers that were remembered by their names, without what is none."""
        kept = self.memory.get(name)
        found = {key: _number(value) for key, value in kept.items()} if isinstance(kept, Mapping) else {}
        return {key: value for key, value in found.items() if value is not None}


def _number(kept: object) -> float | None:
    if isinstance(kept, bool) or not isinstance(kept, int | float):
        return None
    return kept if abs(kept) < 1e300 else None  # no infinity, no NaN


_NAMED = re.compile(r"`([A-Za-z_][A-Za-z0-9_]*)`")
Measure = Callable[[Any, Run], Reading] | Callable[[Any, Run], Awaitable[Reading]]
Short = Callable[[Any], Reading] | Callable[[Any], Awaitable[Reading]]  # a probe that needs to know no circumstances


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe as found in its module."""

    name: str  # family.NAME
    doc: str  # the module's docstring
    spec: type[Spec]
    measure: Measure
    on_timeout: Status
    is_async: bool
    own_metrics: Callable[[Any], Collection[str] | None] | None = None  # by settings; None: those that its docstring names

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    def metrics(self, settings: Mapping[str, Any]) -> frozenset[str] | None:
        """Names of the metrics that it can give with these settings, `NAME*` where one begins so; None where nobody can know.

        Without a word of its own they are those that its docstring names from "Metrics:" on, and what else stands there in
        backticks. `seconds` is every run's.
        """
        if self.own_metrics is not None:
            try:
                found = self.own_metrics(self.spec.model_validate(settings))
            except ValidationError:
                return None  # that is said where they stand
            except Exception:  # anybody's: a warning that cannot be decided is none
                log.exception("probe_metrics_failed", probe=self.name)
                return None
        else:
            _, named, text = self.doc.partition("Metrics:")
            found = _NAMED.findall(text) if named else None
        return None if found is None else frozenset({"seconds", *found})


def probe(
    *, on_timeout: Status = Status.UNKNOWN, metrics: Callable[[Any], Collection[str] | None] | None = None
) -> Callable[[Measure | Short], Probe]:
    """Declare a module's `measure(spec: SomeSpec, run: Run) -> Reading`, sync (in a thread) or async; `run` may be left out.

    on_timeout: the status when the time-out passes: CRITICAL where silence means down, UNKNOWN where it means blind.
    metrics: names of those it gives, from its settings, where they follow from them; see `Probe.metrics`.
    """

    def declare(measure: Measure | Short) -> Probe:
        module = inspect.getmodule(measure)
        assert module is not None
        spec = get_type_hints(measure).get("spec")
        if not (isinstance(spec, type) and issubclass(spec, Spec)):
            raise TypeError("measure takes `spec: YOURS, run: Run`, where YOURS is a class made from Spec")
        name = ".".join(module.__name__.split(".")[-2:])
        return Probe(
            name,
            inspect.getdoc(module) or "",
            spec,
            _with_run(measure),
            on_timeout,
            inspect.iscoroutinefunction(measure),
            metrics,
        )

    return declare


def _with_run(measure: Measure | Short) -> Measure:
    if len(inspect.signature(measure).parameters) > 1:
        return cast(Measure, measure)
    return cast(Measure, lambda spec, _run: cast(Short, measure)(spec))
