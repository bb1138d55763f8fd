"""Try a check with other settings, or a probe without a check: nothing is saved, and nothing alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.actions import run as demand
from app.checks import service
from app.checks.model import Check
from app.configfile.schema import wrong_name
from app.configfile.trial import trial as read
from app.configfile.wording import text
from app.errors import Fault, Invalid, Unavailable
from app.people.permission import require
from app.units import format_duration
from app.web import form, probes
from app.web.form import Field
from app.web.route import pages
from app.web.visit import Typed, Visit, visit

router = pages()
DEFAULTS = Check(probe="")
NEW = "my-check"


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: `name` is that of a declared check, or none; `base` what is declared."""

    name: str | None
    probe: str
    base: Mapping[str, Any]
    known: tuple[Field, ...]

    @property
    def declared(self) -> Mapping[str, Any]:
        """The settings that are declared."""
        found: Mapping[str, Any] = self.base.get("with", {})
        return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: a result, or what is wrong."""

    result: Mapping[str, Any] | None = None
    faults: Sequence[Fault] = ()
    trouble: str = ""
    yaml: str = ""


@router.get("/checks/try")
def choose(request: Request, probe: str = "") -> Response:
    """Every probe there is; with `probe` its form."""
    with visit(request) as v:
        require(v.actor, demand.MAY)
        if not probe:
            return v.page("probes.html", families=probes.by_family())
        return _page(v, _of_probe(probe), {}, Outcome())


@router.get("/checks/{name}/try")
def ask(request: Request, name: str) -> Response:
    """The form, filled with what is declared."""
    with visit(request) as v:
        require(v.actor, demand.MAY)
        return _page(v, _of_check(v, name), {}, Outcome())


@router.post("/checks/try")
def try_probe(request: Request, typed: Typed) -> Response:
    """Run a probe once."""
    return _tried(request, None, typed)


@router.post("/checks/{name}/try")
def try_check(request: Request, name: str, typed: Typed) -> Response:
    """Run a check once, as typed."""
    return _tried(request, name, typed)


def _tried(request: Request, name: str | None, typed: Mapping[str, str]) -> Response:
    with visit(request) as v:
        require(v.actor, demand.MAY)
        actor = v.actor
        trial = _of_probe(typed.get("probe", "")) if name is None else _of_check(v, name)
    outcome = _outcome(trial, typed, actor)  # not inside a transaction: it waits for a worker
    with visit(request) as v:
        response = _page(v, trial, typed, outcome)
    response.status_code = 422 if outcome.faults else 503 if outcome.trouble else 200
    return response


def _outcome(trial: Trial, typed: Mapping[str, str], actor: Any) -> Outcome:
    found, faults = form.settings(trial.known, typed, trial.declared)
    said = {one.field for one in faults}
    check, wrong = read({**trial.base, "probe": trial.probe, **_given(typed), "with": found}, trial.name or trial.probe)
    faults += [*_wrong_about(trial, typed), *(one for one in wrong if _field(one) not in said)]
    if check is None or faults:
        return Outcome(faults=faults)
    try:
        result = next(demand.results(demand.try_out(check, actor, trial.name or demand.TRY)))
    except Invalid as error:
        return Outcome(faults=error.faults or [Fault("", str(error))])
    except Unavailable as error:
        return Outcome(trouble=str(error))
    return Outcome(result, yaml=_yaml(trial, typed, found) if result["status"] != "unknown" else "")


def _wrong_about(trial: Trial, typed: Mapping[str, str]) -> list[Fault]:
    wrong = wrong_name("check", typed.get("name", "").strip() or NEW) if trial.name is None else None
    return [Fault("name", text(wrong))] if wrong else []


def _field(fault: Fault) -> str:
    return fault.field.removeprefix("with.").partition(".")[0]


def _given(typed: Mapping[str, str]) -> dict[str, Any]:
    """Time-out and location; without a location it runs where Tocsin does."""
    place = {"at": typed["at"].strip() or None} if "at" in typed else {}
    return {**({"timeout": text} if (text := typed.get("timeout", "").strip()) else {}), **place}


def _yaml(trial: Trial, typed: Mapping[str, str], found: Mapping[str, Any]) -> str:
    """What to paste into a file of the configuration."""
    written = {"every": format_duration(DEFAULTS.every), **trial.base, "probe": trial.probe, **_given(typed)}
    usual = {"with": written.get("with"), "at": None, "timeout": format_duration(DEFAULTS.timeout)}
    check = {name: value for name, value in written.items() if name not in usual or value != usual[name]}
    check = {"probe": trial.probe, **check}
    if found:
        check["with"] = form.to_paste(trial.known, found)
    return form.block({"checks": {trial.name or typed.get("name", "").strip() or NEW: check}})


def _page(v: Visit, trial: Trial, typed: Mapping[str, str], outcome: Outcome) -> Response:
    fields = form.refill(trial.known, typed, outcome.faults) if typed else trial.known
    shown = {one.name for one in fields} | {"name", "timeout", "at"}
    return v.page(
        "try.html",
        trial=trial,
        fields=fields,
        timeout=typed.get("timeout") or trial.base.get("timeout") or format_duration(DEFAULTS.timeout),
        place=typed.get("at", trial.base.get("at") or ""),
        name=typed.get("name", ""),
        wrong={one.field.removeprefix("with."): one.detail for one in outcome.faults},
        elsewhere=[one for one in outcome.faults if _field(one) not in shown],
        outcome=outcome,
        about=probes.about(trial.probe),
    )


def _of_probe(name: str) -> Trial:
    return Trial(None, name, {}, form.fields(probes.spec_of(name), {}))


def _of_check(v: Visit, name: str) -> Trial:
    check = service.in_clear(service.check(v.db, name))
    base = check.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Trial(name, check.probe, base, form.fields(probes.spec_of(check.probe), base.get("with", {})))
