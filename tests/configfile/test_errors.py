"""Every error is found with its line; each file of `errors/` begins with what must be said of it."""

import re
from pathlib import Path

import pytest

from app import configfile
from app.cli import config
from app.configfile.codes import Code
from app.configfile.finding import finding, present
from app.configfile.load import load_texts
from app.configfile.trial import trial
from app.configfile.wording import PHRASES

AT_THE_EDGE = ("codes.py", "wording.py")
FOLDER = Path(__file__).parent / "errors"
FILES = sorted(FOLDER.glob("*.yaml"))


def said(**files: str) -> list[str]:
    """What is said of these files; a name's `__` is a slash."""
    texts = {f"{name.replace('__', '/')}.yaml": text for name, text in files.items()}
    return [str(one) for one in load_texts(texts, {}).errors]


def expected(text: str) -> list[str]:
    """`# LINE: message` at the top of a file."""
    return [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_error_is_said_with_its_line_and_nothing_else(file: Path) -> None:
    text = file.read_text()
    loaded = load_texts({file.name: text}, {})
    assert [f"{one.line}: {one.message}" for one in loaded.errors] == expected(text)
    assert loaded.config is None


def test_all_errors_of_all_files_are_reported_together_sorted() -> None:
    texts = {
        f"{file.stem}.yaml": file.read_text() for file in FILES if file.stem in ("unknown_role", "bad_duration", "bad_zone")
    }
    renamed = {name: text.replace("ada", name[:6]) for name, text in texts.items()}
    places = [str(one).partition(": ")[0] for one in load_texts(renamed, {}).errors]
    assert places == ["bad_duration.yaml:3", "bad_zone.yaml:3", "unknown_role.yaml:3"]


def test_a_file_that_cannot_be_read_hides_no_error_elsewhere_and_invents_none() -> None:
    assert said(people="users: {ada: [}", teams="teams: {shop: {members: [ada]}}\nusres: {}") == [
        "people.yaml:1: invalid YAML: expected the node content, but found '}'",
        'teams.yaml:2: unknown key "usres" (did you mean "users"?)',
    ]


def test_a_name_that_stands_twice_and_an_unset_variable_hide_no_missing_reference() -> None:
    assert said(a="teams: {shop: {members: [bo]}}\nusers:\n  ada: {}\n  ada: {}\nservices: {s: {team: shpo}, t: {}}") == [
        'a.yaml:1: unknown user "bo" in team "shop"; declare them under users:, invited or not',
        'a.yaml:4: duplicate key "ada"; first on line 3',
        'a.yaml:5: unknown team "shpo" in service "s" (did you mean "shop"?)',
    ]
    assert said(a='teams: {shop: {members: ["${NOBODY}"]}}', b="services: {s: {team: shpo}}") == [
        "a.yaml:1: environment variable NOBODY is not set; set it, or write ${NOBODY:-default}",
        'b.yaml:1: unknown team "shpo" in service "s" (did you mean "shop"?)',
    ]


def test_a_thing_with_an_error_is_still_there_for_those_who_name_it() -> None:
    assert said(a="users: {ada: {role: boss}}\nteams: {shop: {members: [ada]}}") == [
        'a.yaml:1: role of user "ada": invalid value "boss"; write one of viewer, responder, editor, admin'
    ]


def test_a_name_may_stand_in_one_file_only() -> None:
    assert said(a="teams: {shop: {}}", b__c="\nteams: {shop: {}, db: {}}") == [
        'b/c.yaml:2: duplicate team "shop"; first declared in a.yaml:1',
    ]


def test_a_list_may_stand_in_one_file_only() -> None:
    route = "routes: [{policy: x}]"
    assert said(a=f"policies: {{x: {{steps: [{{page: 'channel:inbox'}}]}}}}\n{route}", b=f"\n{route}") == [
        'b.yaml:2: "routes" may be declared in one file only; it is also in a.yaml',
    ]


def test_keys_of_platform_may_stand_in_several_files_each_once() -> None:
    users = "users: {dee: {}}\n"
    assert said(a=users + "platform: {owners: ['user:dee']}", b="platform: {emergency: ['user:dee']}") == []
    assert said(a=users + "platform: {owners: ['user:dee']}", b="platform:\n  owners: ['user:dee']") == [
        'b.yaml:2: platform: duplicate "owners"; first declared in a.yaml:2',
    ]
    wrong = said(a="platform:", b="platform: {owner: x}")
    assert wrong == ['b.yaml:1: unknown key "owner" in platform (did you mean "owners"?)']


def test_a_message_is_one_printable_line_and_carries_no_password() -> None:
    one = finding("a.yaml", 1, Code.CANNOT_READ, why="postgresql://u:hunter2@db/x\n\x1b[31mERROR\u202e is wrong")
    assert str(one) == "a.yaml:1: cannot be read: postgresql://***@db/x\\n\\x1b[31mERROR\\u202e is wrong"


HOOK = "channels: {hook: {kind: webhook, url: 'http://u:p@h/', %s}}"
PAGE = "checks: {web: {probe: %s, with: {url: 'http://h/', %s}}}"


@pytest.mark.parametrize(
    "wrong",
    [
        HOOK % "secret: 12345678",
        HOOK % "secret: {a: 12345678}",
        HOOK % "secret: [12345678]",
        HOOK % "headers: 'Authorization: Bearer 12345678'",
        HOOK % "headers: ['X-Auth: 12345678']",
        HOOK % "headers: {X-Auth: 12345678}",
        PAGE % ("health.http", "password: 12345678"),
        PAGE % ("health.http", "headers: 'X-Auth: 12345678'"),
        PAGE % ("security.http_headers", "ignored_cookies: 12345678"),
        PAGE % ("security.http_headers", "ignored_cookies: '12345678'"),
    ],
)
def test_an_error_never_shows_a_secret(wrong: str) -> None:
    errors = load_texts({"a.yaml": wrong}, {}).errors
    assert errors
    assert "12345678" not in str([present(one) for one in errors])


def test_a_last_route_that_does_not_match_everything_is_said_beside_a_file_that_cannot_be_read() -> None:
    assert said(a="users: {ada: [}", b="policies: {p: {steps: [{page: 'user:ada'}]}}\nroutes: [{match: a=b, policy: p}]") == [
        "a.yaml:1: invalid YAML: expected the node content, but found '}'",
        "b.yaml:2: route 1 is the last route and must match everything; add {policy: NAME} after it",
    ]


def test_every_code_has_its_words_and_is_raised_somewhere() -> None:
    assert set(PHRASES) == set(Code)
    source = "".join(path.read_text() for path in Path(configfile.__file__).parent.glob("*.py") if path.name not in AT_THE_EDGE)
    source += Path(config.__file__).read_text()
    assert [code for code in Code if not re.search(rf"\bCode\.{code.name}\b", source)] == []


def test_a_field_that_lacks_is_a_code_and_a_fact_and_a_form_knows_its_place() -> None:
    (one,) = load_texts({"a.yaml": "checks: {db: {probe: health.tcp, with: {host: h}}}\nroutes: []"}, {}).errors
    assert (one.reason.code, one.path, one.reason.facts["field"]) == (Code.MISSING, ("with",), "port")
    _, (fault,) = trial({"probe": "health.tcp", "with": {"host": "h"}}, "health.tcp")
    assert (fault.field, fault.detail) == ("with.port", 'missing required field "port" in with of health.tcp')
