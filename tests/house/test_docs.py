"""What the documentation shows is true: it loads, compiles, exists, and is made from the code where it says so."""

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterator, MutableSequence
from pathlib import Path

import pytest
import typer.main
from ruamel.yaml import YAML

from app.cli import COMMANDS, build, reference
from app.configfile.load import load_texts
from app.configfile.sections import SECTIONS
from tests import shipped

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "examples" not in page.parts]
# Pages whose blocks are one configuration, with what each names and does not show. Those of others come on top of the defaults.
ALONE = {
    "alerting_configuration.md": {"runbooks/checkout.md": "# Checkout\n"},
    "reference.md": {"runbooks/shop-down.md": "# The shop is down\n"},
}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


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
    defaults = shipped.folder()
    files = dict(ALONE.get(page.name, {}))
    for path in sorted(defaults.rglob("*.*")) if page.name not in ALONE else ():
        files[str(path.relative_to(defaults))] = path.read_text()
    for number, block in enumerate(blocks(page, "yaml")):
        if isinstance(shown := YAML(typ="safe", pure=True).load(block), dict):
            assert set(shown) <= set(SECTIONS)
            files[f"{page.name}-{number}.yaml"] = block
    assert load_texts(files, {}).errors == ()


@every_page
def test_python_shown_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


def test_the_how_to_of_a_probe_works_with_its_test(newcomer: Callable[[Path], dict[str, str]], tmp_path: Path) -> None:
    files = newcomer(ROOT / "docs/howto/add-a-probe.md")
    (probe,) = (text for name, text in files.items() if name.startswith("tasks/"))
    (test,) = (text for name, text in files.items() if name.startswith("tests/"))
    assert probe in blocks(ROOT / "README.md", "python"), "the README shows the same probe"
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
def test_commands_shown_exist(page: Path) -> None:
    text = page.read_text()
    shown = re.findall(r"`(?:\S*/)?tocsin ((?:[a-z-]+ ?)+)", text)  # in a sentence
    for block in (block for kind in ("sh", "ini") for block in blocks(page, kind)):
        shown += re.findall(r"^(?:ExecStart=|\S+=\S+ )*(?:\S*/)?tocsin ([a-z- ]+)", block, re.MULTILINE)
    for words in shown:
        assert known(words.split()), f"tocsin {words}"


def known(words: list[str]) -> bool:
    """Whether `tocsin WORDS` begins with a command there is; in a group, with one of the group's."""
    if not words or words[0] not in COMMANDS:
        return False
    command = typer.main.get_command(build(words[0]))
    for word in words:
        subcommands = getattr(command, "commands", None)
        if subcommands is None or word.startswith("-"):
            return True
        if word not in subcommands:
            return False
        command = subcommands[word]
    return True
