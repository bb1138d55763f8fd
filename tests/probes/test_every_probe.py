"""What every probe there is, now and later, keeps: it describes itself and refuses nonsense."""

import ast
import asyncio
import inspect
import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from app import plugins
from app.checks.probe import Probe, Reading, Run, Spec, Status, probe

NAMES = plugins.probe_names()
SHARED = ("broker", "limits", "own", "probe", "promql")  # what several probes share
ALLOWED = (*(f"app.checks.{name}" for name in SHARED), "app.concurrency.threads", "app.failure", "app.host", "app.net")
EXAMPLE = Path(__file__).parents[2] / "docs/examples/alerting/shop.yaml"

every_probe = pytest.mark.parametrize("name", NAMES)


def found(name: str) -> Probe:
    probe = plugins.probe_module(name).measure
    assert isinstance(probe, Probe)
    return probe


@every_probe
def test_it_says_what_it_finds_out(name: str) -> None:
    first, blank, rest = found(name).doc.split("\n", 2)
    assert first.endswith((".", "?"))
    assert blank == ""
    assert "Metrics:" in rest
    assert "ritical" in rest


@every_probe
def test_it_is_named_by_its_file(name: str) -> None:
    assert found(name).name == name
    assert found(name).family == name.split(".")[0]


@every_probe
def test_every_field_is_described(name: str) -> None:
    probe = found(name)
    assert issubclass(probe.spec, Spec)
    for field, info in probe.spec.model_fields.items():
        assert info.description, f"{name}: {field} has no description"


@every_probe
def test_measure_takes_spec_and_run(name: str) -> None:
    assert [one.strip("_") for one in inspect.signature(found(name).measure).parameters] == ["spec", "run"]


@every_probe
@pytest.mark.parametrize("garbage", [{"no_such_field": 1}, [], "x", None, {1: 2}], ids=str)
def test_garbage_is_refused(name: str, garbage: object) -> None:
    with pytest.raises(ValidationError):
        found(name).spec.model_validate(garbage)


@every_probe
def test_a_field_of_another_type_is_refused(name: str) -> None:
    spec = found(name).spec
    for field in spec.model_fields:
        with pytest.raises(ValidationError) as refused:
            spec.model_validate({field: object()})
        assert any(error["loc"][0] == field for error in refused.value.errors())


@every_probe
def test_its_schema_is_generated(name: str) -> None:
    schema = found(name).spec.model_json_schema()
    assert schema["additionalProperties"] is False
    json.dumps(schema)
    for field, told in schema["properties"].items():
        assert told.get("description"), f"{name}: {field}"


@every_probe
def test_it_knows_nothing_of_celery_and_the_rest_of_the_house(name: str) -> None:
    tree = ast.parse(inspect.getsource(plugins.probe_module(name)))
    for node in ast.walk(tree):
        modules = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        for module in modules:
            assert module.split(".")[0] not in ("celery", "tasks"), module
            assert not module.startswith("app.") or module.startswith(ALLOWED), module


def test_the_examples_settings_are_taken() -> None:
    checks = YAML(typ="safe", pure=True).load(EXAMPLE)["checks"]
    for check in checks.values():
        with_ = {
            key: value.replace("${CHECKOUT_URL:-", "").replace("${SHOP_DB_URL:-", "").rstrip("}")
            if isinstance(value, str)
            else value
            for key, value in check["with"].items()
        }
        found(check["probe"]).spec.model_validate(with_)


def test_a_probe_may_leave_out_the_circumstances_of_its_run() -> None:
    def measure(spec: Spec) -> Reading:
        return Reading(Status.OK, type(spec).__name__)

    async def later(spec: Spec) -> Reading:
        return measure(spec)

    for declared in (probe()(measure), probe()(later)):
        found = declared.measure(Spec(), Run(timeout=1.0))
        assert declared.is_async is inspect.iscoroutine(found)
        assert (asyncio.run(found) if inspect.iscoroutine(found) else found) == Reading(Status.OK, "Spec")
