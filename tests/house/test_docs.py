"""What the documentation shows is true: it loads, compiles, exists, and is made from the code where it says so."""

import ast
import importlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, MutableSequence
from functools import lru_cache
from pathlib import Path

import pytest
import typer.main
from ruamel.yaml import YAML
from typer.exceptions import TyperException

from app.checks import probes
from app.cli import COMMANDS, build, reference
from app.configfile.example import example
from app.configfile.load import load_texts
from tests import shipped
from tests.house.every import every

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "examples" not in page.parts]
# Pages whose blocks are one configuration, with what each names and does not show. Those of others come on top of the defaults.
ALONE = {
    "alerting_configuration.md": {"runbooks/checkout.md": "# Checkout\n"},
    "reference.md": {"runbooks/shop-down.md": "# The shop is down\n"},
}

every_page = every("page", PAGES)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page, dedented."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def named_files(page: Path) -> dict[str, str]:
    """Python blocks that stand under the path of the file they are."""
    found = re.findall(
        r"`((?:tasks|app|tests)/[\w/]+\.py)`:\n\n```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL
    )
    return dict(found)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Callable[[Path], dict[str, str]]]:
    """Puts a page's plug-ins where a newcomer would, without touching the tree."""
    added: list[tuple[MutableSequence[str], str, str]] = []

    def follow(page: Path) -> dict[str, str]:
        files = named_files(page)
        for name, text in files.items():
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            package = ".".join(Path(name).parent.parts)
            place = importlib.import_module(package).__path__
            if not name.startswith("tests/"):
                place.append(str(target.parent))
                added.append((place, str(target.parent), f"{package}.{target.stem}"))
        return files

    yield follow
    for place, folder, module in added:
        place.remove(folder)
        sys.modules.pop(module, None)


def test_the_reference_is_what_the_code_says() -> None:
    written = (ROOT / "docs/reference.md").read_text()
    assert written == reference.text(), "run `tocsin reference --write docs`"


def test_the_environment_in_operations_is_what_the_code_says() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    assert reference.BEGIN in page
    assert page == reference.filled(page), "run `tocsin reference --write docs`"


@every_page
def test_configurations_shown_have_no_mistakes(page: Path, newcomer: Callable[[Path], dict[str, str]]) -> None:
    newcomer(page)
    shown = {f"{page.name}-{number}.yaml": block for number, block in enumerate(blocks(page, "yaml"))}
    beside = ALONE[page.name] if page.name in ALONE else defaults(list(shown.values()))
    assert load_texts({**beside, **shown}, {}).errors == ()


def defaults(blocks: list[str]) -> dict[str, str]:
    """The files of a new installation, without the entries and lists that these blocks replace."""
    folder, read = shipped.folder(), YAML(typ="safe", pure=True).load
    files = {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.*"))}
    for name in [name for name in files if name.endswith(".yaml")]:
        sections = read(files[name]) or {}
        for key, things in ((key, things) for block in blocks for key, things in read(block).items() if key in sections):
            if isinstance(things, list):
                del sections[key]
            else:
                sections[key] = {one: thing for one, thing in sections[key].items() if one not in things}
        files[name] = json.dumps(sections, default=str)
    return files


@every_page
def test_python_shown_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


def test_the_how_to_of_a_probe_works_with_its_test(newcomer: Callable[[Path], dict[str, str]], tmp_path: Path) -> None:
    files = newcomer(ROOT / "docs/howto/add-a-probe.md")
    (probe,) = (text for name, text in files.items() if name.startswith("tasks/"))
    (test,) = (text for name, text in files.items() if name.startswith("tests/"))
    assert probe in blocks(ROOT / "README.md", "python"), "the README shows the same probe"
    spec = probes.found("security.file_mode").spec
    assert spec.model_validate(example(spec)), "what the reference will show"
    stage: dict[str, Callable[[Path], None]] = {}
    exec(compile(test, "the how-to's test", "exec"), stage)
    stories = [story for name, story in stage.items() if name.startswith("test_")]
    assert stories
    for story in stories:
        story(tmp_path)


@every_page
def test_links_and_pictures_exist(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", place):
            continue
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def misnamed(text: str) -> list[str]:
    """Of the places that a text names, `FILE` or `FILE: NAME, NAME.NAME`, those that the code has not."""
    found = []
    for file, names in re.findall(r"`((?:app|tasks|tests)/[\w/]+\.py)(?:: ([\w., ]+))?`", text):
        path = ROOT / file
        here = defined(ast.parse(path.read_text())) if path.exists() else set()
        if not path.exists() or not set(filter(None, names.split(", "))) <= here:
            found.append(f"{file}: {names}")
    return found


def defined(tree: ast.Module | ast.ClassDef, above: str = "") -> set[str]:
    """What a module defines: functions, classes and what they hold, constants."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(f"{above}{node.name}")
        if isinstance(node, ast.ClassDef):
            found |= defined(node, f"{above}{node.name}.")
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {f"{above}{one.id}" for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return found


@every_page
def test_places_in_the_code_exist(page: Path) -> None:
    shown = {name for one in PAGES for name in named_files(one)}  # files that a how-to lets the reader make
    assert [one for one in misnamed(page.read_text()) if one.partition(":")[0] not in shown] == []


@pytest.mark.parametrize(
    "text",
    [
        "`app/line.py: no_such_stage`",
        "`app/no_such.py`",
        "`app/api/body.py: Body.no_such`",
        "`app/people/session.py: seal, reed`",
    ],
)
def test_a_place_that_is_not_in_the_code_is_found(text: str) -> None:
    assert misnamed(text)


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@every_page
def test_commands_shown_are_understood(page: Path) -> None:
    text = page.read_text()
    wrong = []
    for block in (block for kind in ("sh", "ini") for block in blocks(page, kind)):
        wrong += [why for words in commands(block) if (why := misunderstood(words))]
    for code in re.findall(r"`([^`\n]*tocsin [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        wrong += [why for words in commands(code) if (why := misunderstood(words, whole=False))]  # named, not called
    assert wrong == []


@every_page
def test_api_calls_shown_exist(page: Path) -> None:
    shown = re.findall(r"(?:/api/v1/|`(?:GET|POST|PUT|DELETE) (?:/api/v1/)?)(\w[\w/.-]*)", page.read_text())
    assert [one for one in shown if not any(re.fullmatch(path, f"/api/v1/{one.rstrip('./')}") for path in api_paths())] == []


@lru_cache
def api_paths() -> list[str]:
    """Patterns of every path of the API, planned ones as well."""
    from app.api.planned import PLANNED
    from app.api.reference import document
    from app.server import create

    return [re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) for path in (*document(create())["paths"], *PLANNED)]


def commands(text: str) -> list[list[str]]:
    """The arguments of every call of `tocsin` in a shell script, a unit file or a sentence's code."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        reader = shlex.shlex(line.removeprefix("ExecStart="), posix=True, punctuation_chars="();<>|&")
        reader.whitespace_split = True
        calls: list[list[str]] = [[]]
        for word in reader:
            if set(word) <= set("();<>|&"):
                calls.append([])
            elif calls[-1] or not re.match(r"[A-Z_]+=", word):  # a variable for the command stands before it
                calls[-1].append(word)
        found += [words[1:] for words in calls if re.fullmatch(r"(?:\S*/)?tocsin", "".join(words[:1]))]
    return [words for words in found if words and not re.match(r"[$%]", words[0])]  # those are the reader's own


def misunderstood(words: list[str], whole: bool = True) -> str:
    """Why `tocsin WORDS` is refused: no such command, option or value, or, of a `whole` call, something missing."""
    if words[0] not in COMMANDS:
        return f"tocsin {words[0]}: no such command"
    command, rest = typer.main.get_command(build(words[0])), words
    try:
        while hasattr(command, "resolve_command") and (rest or whole):
            context = command.make_context("tocsin", list(rest))
            _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context("tocsin", list(rest))
    except TyperException as error:
        missing = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
        return "" if missing and not whole else f"tocsin {shlex.join(words)}: {error}"
    return ""


@pytest.mark.parametrize(
    "line, why",
    [
        ("tocsin status --json | jq .ready", ""),
        ("TOCSIN_HOME=/srv /opt/venv/bin/tocsin checks list", ""),
        ("kill $(tocsin status --jsn)", "No such option"),
        ("tocsin check list", "no such command"),
        ("tocsin checks lst", "No such command"),
        ("tocsin up && tocsin preview", "Missing parameter"),
        ("tocsin checks list --limit many", "No such option"),
    ],
)
def test_a_command_that_is_not_understood_is_found(line: str, why: str) -> None:
    found = " ".join(misunderstood(words) for words in commands(line))
    assert why in found if why else not found


def test_the_weekly_review_says_what_each_figure_counts() -> None:
    from app.review.analytics.model import DEFINITIONS

    page = (ROOT / "docs/howto/review-alerts-weekly.md").read_text()
    assert [name for name, words in DEFINITIONS.items() if f"| `{name}` | {words} |" not in page] == []
