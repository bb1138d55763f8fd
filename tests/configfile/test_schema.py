"""The JSON Schema for editors takes what `config check` takes, and marks what it refuses."""

import copy
import json
from pathlib import Path

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from app.checks import probes
from app.configfile.editor import schema
from app.configfile.example import probe_example
from app.configfile.read import read
from app.configfile.tree import plain
from tests import shipped
from tests.configfile.test_examples import FOLDER
from tests.configfile.words import BASE

SHIPPED = shipped.folder()


@pytest.fixture(scope="module")
def validator() -> jsonschema_rs.Validator:
    made = schema()
    jsonschema_rs.meta.validate(made)
    return jsonschema_rs.validator_for(made)


@pytest.mark.parametrize("name", ["channels.yaml", "handling.yaml", "people.yaml", "shop.yaml"])
def test_every_example_file_fits_the_schema(validator: jsonschema_rs.Validator, name: str) -> None:
    document = plain(read(FOLDER, {}).trees[name])
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("folder", [FOLDER, SHIPPED], ids=["examples", "shipped"])
def test_every_file_fits_the_schema_as_it_is_written(validator: jsonschema_rs.Validator, folder: Path) -> None:
    for file in sorted(folder.glob("*.yaml")):
        document = json.loads(json.dumps(YAML(typ="safe", pure=True).load(file), default=str))
        assert [error.message for error in validator.iter_errors(document)] == [], file.name


def test_a_file_before_its_variables_are_filled_in_fits_the_schema(validator: jsonschema_rs.Validator) -> None:
    document = copy.deepcopy(BASE)
    document["checks"]["up"]["with"]["port"] = "${PORT:-80}"
    document["rules"]["slow"]["above"] = "${LIMIT}"
    assert validator.is_valid(document)
    document["checks"]["up"]["with"]["port"] = "eighty"
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    "path, value",
    [
        ("serivces", {}),
        ("checks.up.evry", "1m"),
        ("checks.up.every", "1 minute"),
        ("checks.up.probe", "health.tpc"),
        ("checks.up.with.prot", 1),
        ("rules.slow.kind", "treshold"),
        ("rules.slow.abve", 1),
        ("channels.hook.kind", "webhok"),
        ("channels.hook.urll", "x"),
        ("users.ada.role", "boss"),
        ("users.ada.contacts.sms", 33600000001),
    ],
)
def test_a_mistake_is_marked_in_the_editor(
    validator: jsonschema_rs.Validator, path: str, value: str | int | dict[str, object]
) -> None:
    document = copy.deepcopy(BASE)
    place = document
    *steps, last = path.split(".")
    for step in steps:
        place = place[step]
    place[last] = value
    assert not validator.is_valid(document)


def test_planned_kinds_are_open(validator: jsonschema_rs.Validator) -> None:
    assert validator.is_valid({"channels": {"room": {"kind": "slack", "token": "x", "room": "#shop"}}})


def test_the_example_of_every_probe_fits(validator: jsonschema_rs.Validator) -> None:
    shown = {name: probe_example(probe) for name, probe in probes.usable().items()}
    assert [name for name, document in shown.items() if not validator.is_valid(document)] == []


@pytest.mark.parametrize("take", ["$.token", {"json": "$.token"}, {"header": "ETag", "matches": '"(.*)"'}], ids=str)
def test_both_forms_of_a_value_that_is_taken_fit(validator: jsonschema_rs.Validator, take: object) -> None:
    steps = [{"url": "https://shop.example.org/", "take": {"token": take}}]
    assert validator.is_valid({"checks": {"shop": {"probe": "health.http", "with": {"steps": steps}}}})


def test_short_forms_fit(validator: jsonschema_rs.Validator) -> None:
    notify = {"high": "sms", "low": ["mail", {"contact": "sms", "after": "2m"}]}
    assert validator.is_valid({"routes": [{"match": "a=b", "policy": "x"}]})
    assert validator.is_valid({"policies": {"x": {"steps": [{"page": "user:ada"}]}}})
    assert validator.is_valid({"users": {"ada": {"notify": notify}}})
    assert validator.is_valid({"services": {"backoffice": None}, "flapping": "off"})
