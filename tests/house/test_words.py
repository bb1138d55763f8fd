"""What people read is in the field's own words: phrases that stop a reader do not come back."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.web.template import environment
from tests import shipped
from tests.house.every import every
from tests.house.test_house import parsed

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "app" / "web" / "templates").glob("*.html"))
SOURCES = [
    path for folder in ("app", "tasks") for path in sorted((ROOT / folder).rglob("*.py")) if "versions" not in path.parts
]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
SCRIPT = ROOT / "app" / "web" / "static" / "console.js"

# A phrase, and what to write instead. Lower case; words are matched whole, spaces and line ends alike.
INSTEAD = {
    r"nobody has (it|them)|that nobody has|nobody's again": "unacknowledged",
    r"(is|are) yours|(has|have) it(?= since|\.)|you have it": "acknowledged by",
    r"give back|given back|take back|takes? it back": "Unacknowledge; Delete override",
    r"steps? to come|no step is": "next escalations; escalates to",
    r"(the )?policy is exhausted": "escalation policy exhausted",
    r"asked for the next step": "escalated manually",
    r"its alerts are (back|over)|all its alerts": "alert fired again; all alerts resolved",
    r"(it|incident|alert) is over": "resolved",
    r"(was|were|been|be|is|are) told|nobody told|told (anybody|nobody|you)|a word to": "notified",
    r"quiet because of": "suppressed by",
    r"alert on$|alert on\b(?= since)": "firing",
    r"lowest to highest": "min-max",
    r"where it was expected": "expected range",
    r"those that stand out": "top series",
    r"cannot tell|could not tell": "unknown",
    r"holds? (the|a|your|their) pager|who (really )?holds|schedule holds": "on call",
    r"takes? (the|a|over the) pager|pager over": "override",
    r"what is watched|nothing is watched|one more thing": "checks; no checks",
    r"nothing is wrong|all in hand": "no open incidents",
    r"all is well|needs care|is well again": "operational; degraded",
    r"oldest overdue row": "oldest overdue job",
    r"owed|debts?|forsaken|heirs?|deeds?": "pending notifications; obligations",
    r"heard of|sign of life|signs of life": "last seen; heartbeat",
    r"ways (in|out)": "integrations; channels",
    r"how i am reached": "contact methods",
    r"may send now": "integration created",
    r"token is dead": "token revoked",
    r"do(es)? not (work as typed|belong together)": "invalid input; incorrect login or password",
    r"there is no such \w+": "not found",
    r"you may not|may not do (this|that)": "permission denied",
    r"was faster|were faster": "conflict: already changed",
    r"out of reach": "service unavailable",
    r"that is too much": "request too large",
    r"nobody owns it": "no owner",
    r"is not ours|not one of ours": "invalid",
    r"\bmend(s|ed|ing)?\b|\bcures?\b": "fix",
    r"end everything": "stop",
    r"mistakes?": "errors",
    r"too large to reckon|reckons?": "evaluate",
    r"routed (anew|again)": "rerouted",
    r"somebody by": "someone via",
    r"begins? anew|starts? anew": "start over; restart",
    r"ends everything": "stop",
    r"nobody (is|was|would be) paged": "no pages are sent",
    r"pages? nobody": "does not page",
    r"nobody learns": "no alert",
    r"celery stumbles|gave up its own work": "fails; timed out",
    r"(turn the|the) knob": "sensitivity",
    r"once more to hurry": "press Ctrl-C again",
    r"stands? (here )?twice": "duplicate",
    r"needed nobody|for nobody": "needed no action",
    r"there is no (check|user|probe|rule|schedule|channel|heartbeat|integration|runbook|incident|override|team)"
    r" [\"#]\w*": "... not found",
    r"nobody listens|no answer within": "nothing is listening; no response within",
    r"(database|broker|server|worker|systemd) (does|did) not answer": "does not respond",
    r"(the )?(server|page|api) answers (?=[{…\d])": "returned",
    r"in force": "active",
    r"bundle of authorities": "CA bundle",
    r"over (the )?(inbox|sms|mail|hook)": "via",
    r"in brackets": "in parentheses",
    r"without celery and redis": "without Celery or a broker",
    r"at most so many": "maximum number of",
    r"anew": "again; from scratch",
    r"in clear(?! text)": "in clear text",
    r"is not understood": "is not valid",
    r"take another name": "choose another name",
    r"why you(?=:)": "Reason: ...",
    r"fires as": "severity",
    r"nobody matches": "no users match",
    r"this home's": "the one in TOCSIN_HOME",
    r"talks and talks": "keeps sending data",
    r"speaks? https?": "served over HTTPS",
    r"one line an? \w+": "one line per",
    r"lists? so(?! that)|sounds? like one": "what it is",
    r"stands? (here )?sealed": "encrypted",
    r"whatever the \w+": "even outside; regardless of",
    r"(and|or) over what|over what,": "how; on which channel",
    r"pulls? little": "cause little traffic",
    r"(with|and) where (they|it) stands?": "with file and line",
    r"(are|is) whole": "complete",
    r"(is|are) read off": "shown",
    r"how many tries": "how many attempts",
    r"in trouble": "has a problem",
    r"short of (memory|disk|processor)": "low on",
    r"time-outs?": "timeout",
    r"pages (still )?leave": "pages are sent",
    r"what it holds|hears? of": "its content; is notified",
    r"(pages|warns|alerts) nobody": "does not page",
    r"for want of": "because of a lack of",
    r"(is|are) no (plain|ordinary) \w+": "not a plain",
    r"(a|the) moment's": "short",
    r"input should|field required|extra inputs|valid (string|integer|number)": "must be; missing required field; unknown field",
}  # fmt: skip
PHRASES = [(re.compile(rf"\b(?:{phrase})(?!\w)", re.I), better) for phrase, better in INSTEAD.items()]
# Other people's words, and words that are looked for: (file, phrase).
ALLOWED: set[tuple[str, str]] = set()


def found(text: str) -> list[str]:
    """The phrases in a text, each with what to write."""
    plain = " ".join(text.split())
    return [f'"{hit[0]}": write {better}' for phrase, better in PHRASES for hit in phrase.finditer(plain)]


def shown(template: Path) -> Iterator[tuple[int, str]]:
    """What a template shows: its text, its attributes, and the strings in its expressions, line by line; no comments."""
    inside: list[str] = []
    for line, kind, value in environment().lex(template.read_text()):
        if kind == "string":
            yield line, ast.literal_eval(value)
        elif kind == "data":
            inside.append(value)
            yield line, re.sub(r"<[^>]*>", lambda tag: " . ".join(re.findall(r'"([^"]*)"', tag[0])) or " ", value)


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module without docstrings; an f-string as one, with `…` for what is put in."""
    tree = parsed(path)
    passed = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    passed |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed and " " in node.value:
            yield node.lineno, node.value


def refused(path: Path, texts: Iterator[tuple[int, str]]) -> list[str]:
    name = str(path.relative_to(ROOT))
    hits = [(line, hit) for line, text in texts for hit in found(text)]
    return [f"{name}:{line}: {hit}" for line, hit in hits if not any(name == file and said in hit for file, said in ALLOWED)]


@every("path", TEMPLATES)
def test_a_page_is_in_the_fields_words(path: Path) -> None:
    assert refused(path, shown(path)) == []


@every("path", SOURCES)
def test_a_message_is_in_the_fields_words(path: Path) -> None:
    assert refused(path, literals(path)) == []


@every("path", PAGES)
def test_a_document_is_in_the_fields_words(path: Path) -> None:
    assert refused(path, enumerate(path.read_text().split("\n\n"), 1)) == []


def test_the_shipped_configuration_is_in_the_fields_words() -> None:
    files = [
        file for folder in (shipped.folder(), ROOT / "docs") for file in folder.rglob("*.*") if file.suffix in (".yaml", ".md")
    ]
    assert len(files) > 20
    assert [f"{file.name}: {hit}" for file in files for hit in found(file.read_text())] == []


def test_the_help_of_a_command_is_in_the_fields_words() -> None:
    for path in sorted((ROOT / "app" / "cli").glob("*.py")):
        helps = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef) and node.decorator_list
        ]
        assert refused(path, ((node.lineno, ast.get_docstring(node) or "") for node in helps)) == []


def test_the_openapi_document_is_in_the_fields_words() -> None:
    from app.api.reference import document
    from app.server import create

    made = json.dumps(document(create()), ensure_ascii=False)
    texts = re.findall(r'"(?:description|summary)": ("(?:[^"\\]|\\.)*")', made)
    assert len(texts) > 100
    assert [hit for text in texts for hit in found(json.loads(text))] == []


def test_the_script_is_in_the_fields_words() -> None:
    texts = re.findall(r'"([^"\n]* [^"\n]*)"|`([^`\n]* [^`\n]*)`', SCRIPT.read_text())
    assert [hit for pair in texts for text in pair for hit in found(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "2 open, 1 that nobody has",
        "#3 is yours",
        "The steps to\ncome",
        "Who holds the pager",
        "Ways in",
        "ada has it since 12:00",
        "There is no such channel",
        'there is no check "web"',
        "Pages that needed nobody",
        "page to ada over sms: accepted",
        "version 3 is in force",
    ],
)
def test_a_phrase_that_stops_a_reader_is_found(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text",
    [
        "the end of a maintenance",
        "a recommended value",
        "the rule has items",
        "alert one team",
        "indebted",
        "it is overdue",
        "who has access",
        "there is no route",
        "burn rate over 5m and 1h",
        "sent in clear text",
    ],
)
def test_ordinary_words_are_not(text: str) -> None:
    assert found(text) == []
