"""Hours in files: what is wrong with them, what nobody uses, and what a change of them means for paging."""

from typing import Any

import pytest

from app.catalog.model import Route
from app.configfile.diff import diff
from app.configfile.editor import schema
from app.configfile.impact import whom
from app.configfile.load import compile
from app.oncall.hours import Hours
from tests.configfile.words import BASE, configuration, declared

OFFICE: dict[str, Any] = {"days": ["mon", "tue"], "from": "09:00", "to": "18:00", "holidays": "FR"}
RULE = {"during": "office", "then": "high", "else": "low"}


def said(hours: dict[str, Any] | None = None, **route: Any) -> tuple[list[str], list[str]]:
    """Mistakes and warnings of a configuration with these hours, and this route before the last."""
    routes = [{"match": 'team="shop"', "policy": "usual", **route}, {"policy": "usual"}]
    loaded = configuration(hours={"office": OFFICE} if hours is None else hours, routes=routes)
    return [one.message for one in loaded.errors], [one.message for one in loaded.warnings if "hours" in one.message]


RIGHT: dict[str, dict[str, Any]] = {
    "pages wait": {"pages": "office"},
    "urgency by hours": {"urgency": RULE},
    "a plain urgency": {"urgency": "low", "pages": "office"},
    "matched": {"match": 'hours="office"'},
    "matched by a pattern": {"match": ['team="shop"', 'hours=~"off.*"']},
    "matched when closed": {"match": ['hours!="office"']},
}


@pytest.mark.parametrize("route", RIGHT.values(), ids=RIGHT)
def test_hours_are_used_by_routes(route: dict[str, Any]) -> None:
    assert said(**route) == ([], [])


@pytest.mark.parametrize(
    "holidays", ["FR", "DE-BY", "NO", ["FR", "2026-12-24"], ["US-CA", "US-NY"]], ids=["country", "part", "no", "date", "list"]
)
def test_holidays_may_be_places_and_dates(holidays: Any) -> None:
    assert said({"office": {**OFFICE, "holidays": holidays}}, pages="office") == ([], [])


HIGH, THEN = ' (did you mean "high"?)', ' (did you mean "then"?)'
NEAR = '(did you mean "office"?)'
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "pages wait for none": ({"pages": "offce"}, f'unknown hours "offce" in route 1 {NEAR}'),
    "urgency during none": ({"urgency": {**RULE, "during": "offce"}}, f'unknown hours "offce" in route 1 {NEAR}'),
    "matched and none": ({"match": 'hours="offce"'}, f'unknown hours "offce" in route 1 {NEAR}'),
    "half a rule": ({"urgency": {"during": "office", "then": "high"}}, 'missing required field "else" in urgency of route 1'),
    "a rule misspelt": ({"urgency": {**RULE, "than": "high"}}, f'unknown key "than" in urgency of route 1{THEN}'),
    "an urgency that is none": ({"urgency": "hihg"}, f'urgency of route 1 must be "high" or "low" or a map, not "hihg"{HIGH}'),
    "no urgency in the rule": ({"urgency": {**RULE, "then": "hi"}}, f'urgency.then of route 1: invalid value "hi"{HIGH}'),
    "a number": ({"pages": 5}, 'pages of route 1 must be text, not 5; quote it: "5"'),
}  # fmt: skip


@pytest.mark.parametrize(("route", "message"), WRONG.values(), ids=WRONG)
def test_a_route_that_names_hours_wrongly_is_told_the_nearest(route: dict[str, Any], message: str) -> None:
    assert message in said(**route)[0]


SPECS: dict[str, tuple[Any, str]] = {
    "a country that is none": ({**OFFICE, "holidays": "Frnce"}, '(did you mean "FR"?)'),
    "a zone that is none": ({**OFFICE, "timezone": "Europe/Pari"}, '(did you mean "Europe/Paris"?)'),
    "no day": ({**OFFICE, "days": []}, "omit days for every day"),
    "a key that is none": ({**OFFICE, "holiday": "FR"}, 'unknown key "holiday" in hours "office" (did you mean "holidays"?)'),
    "no end": ({"from": "09:00"}, 'missing required field "to" in hours "office"'),
    "text": ("09:00-18:00", 'hours "office" must be a map'),
}


@pytest.mark.parametrize(("spec", "message"), SPECS.values(), ids=SPECS)
def test_wrong_hours_are_told_the_nearest(spec: Any, message: str) -> None:
    (error,) = said({"office": spec}, pages="office")[0]
    assert message in error


def test_a_name_that_would_be_two_in_a_label_is_refused() -> None:
    assert said({"a,b": OFFICE}, pages="a,b")[0] == ['hours "a,b": the name must not contain ","; use "-"']


def test_grouping_and_planned_maps_are_held_to_the_same_names() -> None:
    loaded = configuration(hours={"office": OFFICE}, grouping=[{"match": 'hours="ofice"', "by": ["service"]}])
    assert [one.message for one in loaded.errors] == [f'unknown hours "ofice" in grouping 1 {NEAR}']
    loaded = configuration(hours={"office": OFFICE}, inhibit=[{"when": 'a="b"', "mute": 'hours="ofice"'}])
    assert [one.message for one in loaded.errors] == [f'unknown hours "ofice" in inhibit 1 {NEAR}']


def test_hours_that_nothing_names_are_warned_of() -> None:
    assert said() == ([], ['hours "office" are unused: no route uses them'])
    assert said(match='hours=~"ofc.*"')[1][1] == 'route 1 matches hours=~"ofc.*", but no such hours are declared'


def test_hours_are_stored_and_mean_the_same() -> None:
    stored = declared(hours={"office": OFFICE}, routes=[{"policy": "usual", "pages": "office", "urgency": RULE}])
    kinds = {one.kind: one.spec for one in stored}
    assert Hours.model_validate(kinds["hours"]).holidays == ("FR",)
    route = Route.model_validate(kinds["route"])
    assert (route.pages, route.urgency.model_dump(by_alias=True)) == ("office", RULE)  # type: ignore[union-attr]


def plan(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old, new = declared(**before), declared(**after)
    return whom(diff(old, new), new)


def test_a_plan_says_what_hours_change_for_paging() -> None:
    waits = {"routes": [{"policy": "usual", "pages": "office"}]}
    assert plan({"hours": {"office": OFFICE}, **waits}, {"hours": {"office": {**OFFICE, "from": "08:00"}}, **waits}) == [
        'hours "office" (route 1): hours changed: from: 09:00 -> 08:00'
    ]
    assert plan({"hours": {"office": OFFICE}, "routes": [{"policy": "usual"}]}, {"routes": [{"policy": "usual"}]}) == [
        'hours "office": removed; pages held for them are sent at once'
    ]
    assert plan(
        {"hours": {"office": OFFICE}, "routes": [{"policy": "usual"}]},
        {"hours": {"office": OFFICE}, "routes": [{"policy": "usual", "pages": "office", "urgency": RULE}]},
    ) == [
        'alerts that match anything go to policy "usual" (high urgency during office hours, else low,'
        ' paged during office hours) instead of policy "usual"'
    ]


def test_the_schema_knows_hours() -> None:
    made = schema()
    assert set(made["$defs"]["Hours"]["properties"]) == {"days", "from", "to", "timezone", "holidays"}
    assert {"policy", "match", "urgency", "pages"} == set(made["$defs"]["Route"]["properties"])


def test_an_export_is_what_was_written() -> None:
    loaded = configuration(hours={"office": OFFICE}, routes=[{"policy": "usual", "pages": "office"}])
    assert loaded.config is not None
    assert '"office"' in loaded.files["a.yaml"]
    assert [one.name for one in compile(loaded.config) if one.kind == "hours"] == ["office"]
    assert BASE["routes"]
