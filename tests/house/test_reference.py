"""docs/reference.md is complete: every section, field, probe and kind is in it, with an example that loads."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr
from ruamel.yaml import YAML

from app import plugins
from app.catalog.model import Planned
from app.checks import probes
from app.checks.probe import Spec
from app.cli import reference, tables
from app.configfile.codes import Code
from app.configfile.example import example, probe_example
from app.configfile.kinds import channel_kinds, rule_kinds
from app.configfile.load import load_texts
from app.configfile.sections import SECTIONS, SECTIONS_PLANNED
from app.units import Duration

page = cache(reference.text)
# Every map and list of the contract.
CONTRACT = (
    *("defaults", "platform", "teams", "users", "channels", "services", "checks", "rules", "heartbeats", "maintenance"),
    *("policies", "schedules", "hours", "audiences", "status_pages", "enrichment", "correlate", "flapping"),
    *("routes", "grouping", "inhibit", "runbooks"),
)


def examples() -> list[dict[str, Any]]:
    found = re.findall(r"^```yaml\n(.*?)^```", page(), re.MULTILINE | re.DOTALL)
    return [YAML(typ="safe", pure=True).load(block) for block in found]


def declared(section: str) -> dict[str, Any]:
    """What the examples declare in one map."""
    return {name: thing for one in examples() for name, thing in one.get(section, {}).items()}


@pytest.mark.parametrize("section", CONTRACT)
def test_every_map_and_list_has_its_part(section: str) -> None:
    assert f"\n### {section}\n" in page()


def test_every_field_says_what_it_is() -> None:
    assert re.findall(r"^\|.*\|\s*\|$", page(), re.MULTILINE) == []


def test_every_setting_of_a_probe_is_in_its_table() -> None:
    parts = dict(re.findall(r"^### (\w+\.\w+)\n(.*?)(?=^### |\Z)", page(), re.MULTILINE | re.DOTALL))
    fields = {
        name: [info.alias or key for key, info in probe.spec.model_fields.items()] for name, probe in probes.usable().items()
    }
    assert [f"{name}: {one}" for name in fields for one in fields[name] if f"| `{one}` |" not in parts[name]] == []


def test_maps_within_maps_and_lists_are_in_the_tables() -> None:
    nested: tuple[str, ...] = (
        "steps[].wait",
        "layers[].only[].from",
        "overrides[].user",
        "notify.high[].after",
        "contacts.NAME.to",
    )
    nested += ("quiet_hours.from", "urgency.during", "alert.after", "steps[].expect.status")
    assert [field for field in nested if f"| `{field}` |" not in page()] == []


def test_what_is_planned_says_so() -> None:
    for section in SECTIONS_PLANNED:
        part = page().partition(f"\n### {section}\n")[2].partition("\n### ")[0]
        assert reference.NOT_ACTIVE in part, section
    for field in ("depends_on", "hold", "flapping", "emergency"):
        assert re.search(rf"^\| `{field}` .*; not active yet \|$", page(), re.MULTILINE), field


def test_every_section_that_is_built_has_an_example() -> None:
    shown = {section for one in examples() for section in one}
    assert shown >= {key for key, section in SECTIONS.items() if section.type is not Planned}


def test_every_probe_and_kind_has_an_example_and_a_line_in_its_index() -> None:
    used = {thing["probe"] for thing in declared("checks").values()}
    assert used == set(probes.usable())
    assert {thing["kind"] for thing in declared("rules").values()} == set(rule_kinds())
    assert {thing["kind"] for thing in declared("channels").values()} == set(channel_kinds())
    named = [*plugins.probe_names(), *rule_kinds(), *channel_kinds(), *plugins.names("app.signals.sources")]
    assert [name for name in named if f"\n| [{name}](#" not in page()] == []


def test_the_examples_warn_of_nothing_but_what_is_planned() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page(), re.MULTILINE | re.DOTALL)
    files = {f"{number}.yaml": block for number, block in enumerate(blocks)}
    loaded = load_texts({**files, "runbooks/shop-down.md": "# The shop is down\n"}, {})
    assert loaded.errors == ()
    expected = (Code.SECTION_PLANNED, Code.FIELD_PLANNED, Code.NO_SERVICE)  # a probe's example shows its own fields only
    assert [str(one) for one in loaded.warnings if one.reason.code not in expected] == []


class Shown(BaseModel):
    """A spec whose author gave an example for one field only."""

    host: str
    port: int = Field(ge=1, le=65535)
    share: float
    secret: SecretStr | None = None
    every: Duration = Field(default=timedelta(minutes=1), examples=["5m", None, "30s"])


@pytest.mark.parametrize(
    "number, more", [(0, {"every": "5m"}), (1, {}), (2, {"every": "30s"}), (3, {})], ids=["first", "none", "third", "no more"]
)
def test_an_example_is_made_of_the_fields_examples(number: int, more: Mapping[str, Any]) -> None:
    assert example(Shown, number) == {"host": "host", "port": 2, "share": 1.5, **more}


def test_a_probe_without_settings_is_shown_without_with() -> None:
    bare = replace(probes.found("health.tcp"), spec=Spec)
    assert probe_example(bare) == {"checks": {"health-tcp": {"probe": "health.tcp"}}}


@pytest.mark.parametrize(
    "value",
    [
        *(
            "22:00",
            "off",
            "no",
            "null",
            "1",
            "+336",
            "${X:-y}",
            'a="b"',
            "it's",
            "both \"'",
            "a: b",
            "#x",
            "2 of 3",
            "30s",
            "40%",
        ),
        *(5, 1.5, True, []),
    ],
)
def test_what_is_shown_is_read_back_as_it_was(value: Any) -> None:
    shown = {"checks": {"a": {"with": {"x": value, "list": [value], "map": {"k": value}}}}}
    block = tables.block(shown).removeprefix("```yaml\n").removesuffix("```\n")
    assert YAML(typ="safe", pure=True).load(block) == shown
