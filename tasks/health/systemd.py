"""Units of systemd: active as expected; without names, whether any unit has failed.

Metrics: `units`, `failed_units`, `active_units`, and by `unit`: `active` (0 or 1), `restarts` (automatic restarts since the
last manual start), `state_seconds` since its state changed, and for a timer `trigger_age_seconds` since its last trigger.

Critical: a unit that failed, or is missing, masked, broken, inactive or waiting to be restarted; a timer whose last trigger is
too long ago. A oneshot service may be inactive if it exited successfully. Warning: a unit that is starting or stopping, or that
systemd restarted since the last run. Unknown: systemd is not running, or does not respond.
"""

import fnmatch
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from app.checks.probe import Duration, Field, Reading, Run, Series, Spec, Status, Unknown, length, probe, worst
from app.failure import Failed
from app.host import program

PROPERTIES = (
    "Id", "Names", "Type", "LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus",
    "StateChangeTimestamp", "LastTriggerUSec",
)  # fmt: skip
PROPERTY_ARGUMENT = f"--property={','.join(PROPERTIES)}"
SUFFIX = re.compile(r"\.(service|socket|timer|target|mount|automount|path|slice|scope|swap|device)$")
GLOB = re.compile(r"[*?\[]")
MOST_OUTPUT = 1_048_576  # bytes: some 3000 units
MOST_SERIES = 200  # units with metrics of their own
NAMED = 5  # units named in the message
ACTIVE_STATES = ("active", "reloading", "refreshing")

UnitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.@\\*?\[][A-Za-z0-9:_.@\\*?\[\]!-]*$", max_length=255)]


class Target(Spec):
    """Which units, and of which systemd."""

    units: list[UnitName] = Field(
        default=[],
        description="units, e.g. nginx.service, backup.timer or postgresql@*; unset = any unit that has failed",
        examples=[["nginx.service", "backup.timer"]],
    )
    ignore: list[UnitName] = Field(default=[], description="units, or patterns with * and ?, that are ignored")
    scope: Literal["system", "user"] = Field(
        default="system", description="system units, or user units of the worker's account"
    )
    command: list[str] = Field(
        default=["systemctl"],
        min_length=1,
        description="systemctl command, e.g. [systemctl, --host, watch@web1] or [systemctl, --machine, web]",
    )
    warning_restarts: int = Field(default=1, ge=1, description="restarts of one unit since the last run at which it warns")
    warning_trigger_older_than: Duration | None = Field(
        default=None, description="age of a timer's last trigger at which it warns"
    )
    critical_trigger_older_than: Duration | None = Field(
        default=None, description="age of a timer's last trigger at which it is critical"
    )


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit, by its properties in `systemctl show`."""

    properties: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.properties["Id"]

    @property
    def state(self) -> str:
        return self.properties.get("ActiveState", "")

    @property
    def restarts(self) -> int | None:
        """How often systemd restarted it; None for what is no service."""
        count = self.properties.get("NRestarts", "")
        return int(count) if count.isdigit() else None

    def since(self, what: str) -> datetime | None:
        """A timestamp property; None when it is unset. The program runs with TZ=UTC."""
        try:
            return datetime.strptime(self.properties.get(what, ""), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        except ValueError:
            return None


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Target, run: Run) -> Reading:
    deadline = time.monotonic() + run.timeout * 0.9
    if spec.units:
        units = parse(await _ask(spec, deadline, PROPERTY_ARGUMENT, "--", *spec.units))
        _check_complete(spec.units, units)
    else:
        manager = await _ask(spec, deadline, "--property=Version,NFailedUnits")
        if "Version=" not in manager:
            raise Unknown(f"{spec.command[0]} does not report on systemd")
        none = "NFailedUnits=0" in manager.split()
        units = [] if none else parse(await _ask(spec, deadline, PROPERTY_ARGUMENT, "--state=failed", "--", "*"))
        units = [unit for unit in units if unit.state == "failed"]
    units = [unit for unit in units if not any(fnmatch.fnmatchcase(unit.name, one) for one in spec.ignore)]
    return judge(spec, units, datetime.now(UTC), run.numbers("restarts"))


async def _ask(spec: Target, deadline: float, *arguments: str) -> str:
    env = {"TZ": "UTC"}
    if spec.scope == "user":
        env["XDG_RUNTIME_DIR"] = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    command = [*spec.command, f"--{spec.scope}", "--no-pager", "show", *arguments]
    try:
        result = await program.run(command, deadline - time.monotonic(), env=program.environment(env), most=MOST_OUTPUT)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    if result.code:
        why = " ".join((result.err.strip() or result.out.strip()).split()) or f"it exited with {result.code}"
        raise Unknown(f"systemd does not respond: {why[:300]}")
    if result.cut:
        raise Unknown(f"systemctl printed more than {MOST_OUTPUT} bytes; name fewer units")
    return result.out


def parse(out: str) -> list[Unit]:
    """Units of `systemctl show`: lines of NAME=VALUE, an empty line between units; one that was asked for twice counts once."""
    units = {}
    for block in re.split(r"\n\s*\n", out):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if properties.get("Id"):
            units[properties["Id"]] = Unit(properties)
    return list(units.values())


def _check_complete(asked: list[str], units: list[Unit]) -> None:
    names = {name for unit in units for name in (unit.name, *unit.properties.get("Names", "").split())}
    for name in asked:
        if not GLOB.search(name) and name not in names and f"{name}.service" not in names:
            raise Unknown(f"systemctl does not list {name}")


def judge(spec: Target, units: list[Unit], now: datetime, before: Mapping[str, float]) -> Reading:
    """What the units' states mean; before: how often each had been restarted at the last run."""
    findings = [(status, f"{unit.name}: {why}") for unit in units for status, why in _unit_findings(spec, unit, now, before)]
    findings += [
        (Status.CRITICAL, f"no unit matches {one}") for one in spec.units if GLOB.search(one) and not _match(one, units)
    ]
    findings.sort(key=lambda found: found[0] is not Status.CRITICAL)
    metrics = {
        "units": float(len(units)),
        "failed_units": float(sum(unit.state == "failed" for unit in units)),
        "active_units": float(sum(unit.state in ACTIVE_STATES for unit in units)),
    }
    series = tuple(one for unit in units[:MOST_SERIES] for one in _series(unit, now))
    restarts = {unit.name: unit.restarts for unit in units[:MOST_SERIES] if unit.restarts is not None}
    message = _message(units, [why for _, why in findings])
    return Reading(worst(status for status, _ in findings), message, metrics, series, {"restarts": restarts})


def _match(pattern: str, units: list[Unit]) -> bool:
    full = pattern if SUFFIX.search(pattern) else f"{pattern}.service"
    return any(fnmatch.fnmatchcase(unit.name, one) for unit in units for one in (pattern, full))


def _unit_findings(spec: Target, unit: Unit, now: datetime, before: Mapping[str, float]) -> Iterator[tuple[Status, str]]:
    found = _state(unit)
    if found:
        since = unit.since("StateChangeTimestamp")
        yield found[0], f"{found[1]}, {length((now - since).total_seconds())} ago" if since else found[1]
    count, before_count = unit.restarts or 0, before.get(unit.name)
    new_restarts = 0 if before_count is None else count - int(before_count) if count >= before_count else count
    if new_restarts >= spec.warning_restarts:
        yield Status.WARNING, f"restarted {new_restarts} {'time' if new_restarts == 1 else 'times'} since the last run"
    age = _trigger_age(unit, now)
    if unit.name.endswith(".timer") and age is not None:
        for status, limit in (
            (Status.CRITICAL, spec.critical_trigger_older_than),
            (Status.WARNING, spec.warning_trigger_older_than),
        ):
            if limit is not None and age >= limit.total_seconds():
                yield status, f"has not triggered for {length(age)}"
                return


def _state(unit: Unit) -> tuple[Status, str] | None:
    """What is wrong with the state itself."""
    load, state, sub = unit.properties.get("LoadState", ""), unit.state, unit.properties.get("SubState", "")
    if load != "loaded":
        return Status.CRITICAL, {"not-found": "no such unit", "masked": "is masked"}.get(load, f"cannot be loaded ({load})")
    if state in ACTIVE_STATES:
        return None
    if state == "failed":
        return Status.CRITICAL, f"failed ({_result(unit)})"
    if sub.startswith("auto-restart"):
        return Status.CRITICAL, f"is waiting to restart ({_result(unit)})"
    if state in ("activating", "deactivating"):
        return Status.WARNING, f"is {'starting' if state == 'activating' else 'stopping'} ({sub})"
    if state == "inactive" and unit.properties.get("Type") == "oneshot" and unit.properties.get("Result") == "success":
        return None
    return Status.CRITICAL, f"is {state or 'in no state'} ({sub})"


def _result(unit: Unit) -> str:
    """`exit-code 203`, `signal 11`, `timeout`, `oom-kill`."""
    result, number = unit.properties.get("Result", ""), unit.properties.get("ExecMainStatus", "")
    return f"{result} {number}" if result in ("exit-code", "signal", "core-dump") else result


def _trigger_age(unit: Unit, now: datetime) -> float | None:
    """Since the last trigger; without one, since the timer was started."""
    last = unit.since("LastTriggerUSec") or unit.since("StateChangeTimestamp")
    return max(0.0, (now - last).total_seconds()) if last else None


def _series(unit: Unit, now: datetime) -> Iterator[Series]:
    labels = {"unit": unit.name}
    yield Series("active", float(unit.state in ACTIVE_STATES), labels)
    if unit.restarts is not None:
        yield Series("restarts", float(unit.restarts), labels)
    since = unit.since("StateChangeTimestamp")
    if since:
        yield Series("state_seconds", max(0.0, (now - since).total_seconds()), labels)
    age = _trigger_age(unit, now) if unit.name.endswith(".timer") else None
    if age is not None:
        yield Series("trigger_age_seconds", age, labels)


def _message(units: list[Unit], findings: list[str]) -> str:
    if not findings:
        if len(units) < 2:
            return f"{units[0].name} is OK" if units else "no failed units"
        named = ", ".join(unit.name for unit in units[:NAMED]) + (", …" if len(units) > NAMED else "")
        return f"{len(units)} units are OK: {named}"
    more = f"; and {len(findings) - NAMED} more" if len(findings) > NAMED else ""
    return "; ".join(findings[:NAMED]) + more
