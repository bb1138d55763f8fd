"""Files are read as YAML 1.2 within limits, variables filled in, and nothing readable is refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.config import config
from app.configfile import compose as limits
from app.configfile.compose import compose
from app.configfile.read import MAX_FILE, MAX_TOTAL, read
from app.configfile.tree import plain
from app.errors import Invalid
from app.supervisor.account import unprivileged


def value(text: str, **environ: str) -> Any:
    """What `text` says; fails on any error."""
    node, errors = compose("a.yaml", text, environ)
    assert errors == []
    assert node is not None
    return plain(node)


def errors(text: str, **environ: str) -> list[str]:
    return [str(one) for one in compose("a.yaml", text, environ)[1]]


@pytest.mark.parametrize(
    "word, means",
    [
        ("22:00", "22:00"),
        ("1:30:00", "1:30:00"),
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("0o7", 7),
        ("0x1F", 31),
        ("012", 12),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("+12", 12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("2026-11-02", "2026-11-02"),
        ("2026-11-02T10:00:00Z", "2026-11-02T10:00:00Z"),
        ("=", "="),
        ("١٢", "١٢"),
        ("'12'", "12"),
        ('"\\u00e9"', "é"),
        ("! 12", "12"),
    ],
)
def test_a_word_means_what_yaml_1_2_says(word: str, means: str | bool | float | None) -> None:
    found = value(f"a: {word}")["a"]
    assert found == means
    assert type(found) is type(means)


def test_a_folded_text_and_a_literal_text_stay_text() -> None:
    assert value("a: |\n  1\n  2\nb: >\n  1\n") == {"a": "1\n2\n", "b": "1\n"}


def test_anchors_are_shared_and_merged() -> None:
    text = "a: &base {x: 1, y: 2}\nb: {<<: *base, y: 3}\nc: *base\nd: {<<: [*base, {z: 4}]}"
    base = {"x": 1, "y": 2}
    assert value(text) == {"a": base, "b": {"y": 3, "x": 1}, "c": base, "d": {**base, "z": 4}}


@pytest.mark.parametrize(
    "text, environ, means",
    [
        ("${HOST}", {"HOST": "db"}, "db"),
        ("http://${HOST}:${PORT:-80}/", {"HOST": "db"}, "http://db:80/"),
        ("${HOST:-}", {}, ""),
        ("${HOST:-a:b}", {"HOST": ""}, "a:b"),
        ("${HOST}", {"HOST": ""}, ""),
        ("$${HOST}", {}, "${HOST}"),
        ("$HOST $ {x} 100$", {}, "$HOST $ {x} 100$"),
        ("${A}", {"A": "${B}"}, "${B}"),
    ],
)
def test_variables_are_filled_in_once(text: str, environ: dict[str, str], means: str) -> None:
    assert value(f"a: '{text}'", **environ) == {"a": means}


def test_a_variable_is_text_wherever_it_stands_and_never_becomes_structure() -> None:
    assert value('a: ${X}\nb: ["${X}"]', X="{evil: true}") == {"a": "{evil: true}", "b": ["{evil: true}"]}
    assert value("a: ${X}", X="no\nb: 1") == {"a": "no\nb: 1"}


def test_an_unquoted_variable_inside_brackets_is_told_to_be_quoted() -> None:
    assert errors("a:\n  - {b: ${X}}", X="1") == [
        'a.yaml:2: invalid YAML: unexpected { inside a list or map; quote text that contains one, as in "${NAME}"'
    ]


def test_every_unset_variable_is_named() -> None:
    assert errors("a: ${A} ${B}\nb:\n  - ${C:-}\n  - ${D}") == [
        "a.yaml:1: environment variable A is not set; set it, or write ${A:-default}",
        "a.yaml:1: environment variable B is not set; set it, or write ${B:-default}",
        "a.yaml:4: environment variable D is not set; set it, or write ${D:-default}",
    ]


def test_a_variable_with_bytes_that_are_no_text_is_refused() -> None:
    assert errors("a: ${A}", A="\udcff") == [
        "a.yaml:1: this text contains a character that cannot be stored: NUL, or half a surrogate pair"
    ]


@pytest.mark.parametrize("opened", ["[" * 5000, "{a: " * 5000, "- " * 5000, "? " * 5000])
def test_deep_nesting_is_one_line(opened: str) -> None:
    assert len(errors(f"a: {opened}" if opened[0] in "[{" else opened)) == 1


def test_depth_counts_through_aliases() -> None:
    deep = "a: &a " + "[" * 10 + "]" * 10 + "\nb: &b " + "[" * 9 + "*a" + "]" * 9
    assert errors(deep) == []
    assert errors(deep + "\nc: [*b]") == [f"a.yaml:3: nested deeper than {limits.MAX_DEPTH} levels"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "runbooks").mkdir()
    return tmp_path


def test_a_folder_is_read_with_all_below_it_sorted(folder: Path) -> None:
    for name in ("b.yaml", "below/a.yml", "a.yaml", "runbooks/x.md", "notes.md", "c.json", ".hidden.yaml", "below/y.md"):
        (folder / name).write_text("")
    (folder / "..data").mkdir()
    (folder / "..data" / "copy.yaml").write_text("users: {}")
    found = read(folder, {})
    assert list(found.files) == ["a.yaml", "b.yaml", "below/a.yml", "runbooks/x.md"]
    assert found.whole


def test_a_linked_file_is_read_as_kubernetes_mounts_them(folder: Path) -> None:
    (folder / "..data").mkdir()
    (folder / "..data" / "a.yaml").write_text("users: {}")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    assert read(folder, {}).files == {"a.yaml": "users: {}"}


@pytest.mark.parametrize(
    "content, said",
    [
        (b"users: {}\nteams: \xff\n", "a.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("users: {}".encode("utf-16"), "a.yaml:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"users:\n\0", "a.yaml:2: contains a NUL character; remove it"),
        (b"#" * 1_000_001, "a.yaml:1: the file is larger than 1000 kB; split it"),
        (b"users: \x07", "a.yaml:1: invalid YAML: unacceptable character #x0007: special characters are not allowed"),
    ],
)
def test_what_is_not_text_is_one_line(folder: Path, content: bytes, said: str) -> None:
    (folder / "a.yaml").write_bytes(content)
    assert [str(one) for one in read(folder, {}).errors] == [said]


def test_a_byte_order_mark_is_no_mistake(folder: Path) -> None:
    (folder / "a.yaml").write_bytes(b"\xef\xbb\xbfusers: {}")
    assert read(folder, {}).files == {"a.yaml": "users: {}"}


def test_a_dangling_link_is_one_line(folder: Path) -> None:
    (folder / "a.yaml").symlink_to("nowhere")
    fix = "remove the link, or create its target"
    assert [str(one) for one in read(folder, {}).errors] == [f"a.yaml:1: broken link to nowhere; {fix}"]
    (folder / "a.yaml").unlink()
    (folder / "below" / "team-a").symlink_to("../../gone")  # a folder, as far as anybody knows
    (folder / "round").symlink_to("round")
    assert [str(one) for one in read(folder, {}).errors] == [
        f"below/team-a:1: broken link to ../../gone; {fix}",
        f"round:1: broken link to round; {fix}",
    ]
    assert not read(folder, {}).whole


def test_linked_folders_are_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "deeper").mkdir()
    (elsewhere / "shop.yaml").write_text("users: {}")
    (elsewhere / "deeper" / "db.yml").write_text("teams: {}")
    (elsewhere / "page.md").write_text("# Do")
    (folder / "team").symlink_to(elsewhere)
    (folder / "below" / "again").symlink_to(elsewhere / "deeper")
    (folder / "runbooks").rmdir()
    (folder / "runbooks").symlink_to(elsewhere)
    found = read(folder, {})
    assert (list(found.files), found.errors) == (["below/again/db.yml", "runbooks/page.md", "runbooks/shop.yaml"], ())
    (folder / "link").symlink_to(folder)
    assert read(folder / "link", {}) == found


def test_a_link_back_is_not_followed_for_ever(folder: Path) -> None:
    (folder / "a.yaml").write_text("users: {}")
    (folder / "below" / "b.yaml").write_text("teams: {}")
    (folder / "up").symlink_to(".")
    (folder / "below" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "other").mkdir()
    (folder / "other" / "there").symlink_to("../below")
    (folder / "below" / "back").symlink_to("../other")
    found = read(folder, {})
    assert (list(found.files), found.errors, found.whole) == (["a.yaml", "below/b.yaml"], (), True)


def test_links_without_end_are_refused(folder: Path) -> None:
    for name in "abcdefgh":
        (folder / name).mkdir()
        for other in "abcdefgh":
            (folder / name / other).symlink_to(f"../{other}")
    with pytest.raises(Invalid, match="more than 2000 folders"):
        read(folder, {})


def test_a_file_under_two_names_is_read_once_and_a_runbook_for_each(folder: Path) -> None:
    (folder / "z.yaml").write_text("users: {}")
    (folder / "a.yaml").symlink_to("z.yaml")
    (folder / "runbooks" / "one.md").write_text("# Do")
    (folder / "runbooks" / "two.md").symlink_to("one.md")
    assert list(read(folder, {}).files) == ["runbooks/one.md", "runbooks/two.md", "z.yaml"]


@contextmanager
def another_account() -> Iterator[None]:
    """Not root for a moment: to root everything is given."""
    who = unprivileged()
    if who is not None:
        os.seteuid(who.uid)
    try:
        yield
    finally:
        if who is not None:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        ("below", "below:1: cannot be read: Permission denied"),
        ("b.yaml", "b.yaml:1: cannot be read: Permission denied"),
        ("link", "link:1: cannot be read: Permission denied"),
    ],
)
def test_what_the_system_does_not_give_is_said_by_name(locked: str, said: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        (folder / "below").mkdir(parents=True)
        (folder / "b.yaml").write_text("users: {}")
        (folder.parent / "hidden" / "inner").mkdir(parents=True)
        (folder / "link").symlink_to("../hidden/inner")
        os.chmod(name, 0o755)
        place = folder.parent / "hidden" if locked == "link" else folder / locked
        os.chmod(place, 0)
        try:
            with another_account():
                found = read(folder, {})
                ended = CliRunner().invoke(config, ["check", str(folder)])
        finally:
            os.chmod(place, 0o700)
    assert ([str(one) for one in found.errors], found.whole) == ([said], False)
    assert (ended.exit_code, ended.stdout, said in ended.stderr) == (2, "", True)


def test_a_file_systems_own_folder_is_nobodys_mistake(folder: Path) -> None:
    (folder / "lost+found").mkdir()
    (folder / "lost+found" / "a.yaml").write_text("users: {}")
    assert read(folder, {}).files == {}


def test_a_file_name_that_is_not_text_is_one_line(folder: Path) -> None:
    name = os.fsdecode(b"a\xff.yaml")
    (folder / name).write_text("users: {}")
    assert [str(one) for one in read(folder, {}).errors] == ["a\\udcff.yaml:1: the file name is not UTF-8; rename it"]


def test_all_files_together_have_a_limit(folder: Path) -> None:
    (folder / "runbooks").mkdir(exist_ok=True)
    for number in range(MAX_TOTAL // MAX_FILE):
        (folder / "runbooks" / f"{number:02}.md").write_bytes(b"x" * MAX_FILE)
    assert read(folder, {}).errors == ()
    (folder / "runbooks" / "last.md").write_text("# One more")
    assert [one.file for one in read(folder, {}).errors] == ["runbooks/last.md"]


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"cannot read the configuration folder .*nowhere: No such file"):
        read(tmp_path / "nowhere", {})
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="Not a directory"):
        read(tmp_path / "file", {})
