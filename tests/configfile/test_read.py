"""Files are read as YAML 1.2 within limits, variables filled in, and nothing readable is refused."""

import os
from pathlib import Path

import pytest

from app.configfile import compose as limits
from app.configfile import read as folder_limits
from app.configfile.compose import compose
from app.configfile.read import read
from app.configfile.tree import plain
from app.errors import Invalid


def value(text: str, **environ: str):
    """What `text` says; fails on any mistake."""
    node, mistakes = compose("a.yaml", text, environ)
    assert mistakes == []
    assert node is not None
    return plain(node)


def mistakes(text: str, **environ: str) -> list[str]:
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
def test_a_word_means_what_yaml_1_2_says(word, means):
    found = value(f"a: {word}")["a"]
    assert found == means
    assert type(found) is type(means)


def test_a_folded_text_and_a_literal_text_stay_text():
    assert value("a: |\n  1\n  2\nb: >\n  1\n") == {"a": "1\n2\n", "b": "1\n"}


def test_anchors_are_shared_and_merged():
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
def test_variables_are_filled_in_once(text, environ, means):
    assert value(f"a: '{text}'", **environ) == {"a": means}


def test_a_variable_is_text_wherever_it_stands_and_never_becomes_structure():
    assert value('a: ${X}\nb: ["${X}"]', X="{evil: true}") == {"a": "{evil: true}", "b": ["{evil: true}"]}
    assert value("a: ${X}", X="no\nb: 1") == {"a": "no\nb: 1"}


def test_an_unquoted_variable_inside_brackets_is_told_to_be_quoted():
    assert mistakes("a:\n  - {b: ${X}}", X="1") == [
        'a.yaml:2: not YAML: a { stands where the list or map should go on; quote text that holds one, as in "${NAME}"'
    ]


def test_every_unset_variable_is_named():
    assert mistakes("a: ${A} ${B}\nb:\n  - ${C:-}\n  - ${D}") == [
        "a.yaml:1: the environment has no A; set it, or write ${A:-default}",
        "a.yaml:1: the environment has no B; set it, or write ${B:-default}",
        "a.yaml:4: the environment has no D; set it, or write ${D:-default}",
    ]


def test_a_variable_with_bytes_that_are_no_text_is_refused():
    assert mistakes("a: ${A}", A="\udcff") == ["a.yaml:1: a character here cannot be stored: NUL, or half a surrogate pair"]


@pytest.mark.parametrize("opened", ["[" * 5000, "{a: " * 5000, "- " * 5000, "? " * 5000])
def test_deep_nesting_is_one_line(opened):
    assert len(mistakes(f"a: {opened}" if opened[0] in "[{" else opened)) == 1


def test_depth_counts_through_aliases():
    deep = "a: &a " + "[" * 10 + "]" * 10 + "\nb: &b " + "[" * 9 + "*a" + "]" * 9
    assert mistakes(deep) == []
    assert mistakes(deep + "\nc: [*b]") == [f"a.yaml:3: nested deeper than {limits.MAX_DEPTH} levels"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "runbooks").mkdir()
    return tmp_path


def test_a_folder_is_read_with_all_below_it_sorted(folder):
    for name in ("b.yaml", "below/a.yml", "a.yaml", "runbooks/x.md", "notes.md", "c.json", ".hidden.yaml", "below/y.md"):
        (folder / name).write_text("")
    (folder / "..data").mkdir()
    (folder / "..data" / "copy.yaml").write_text("users: {}")
    found = read(folder, {})
    assert list(found.files) == ["a.yaml", "b.yaml", "below/a.yml", "runbooks/x.md"]
    assert found.whole


def test_a_linked_file_is_read_as_kubernetes_mounts_them(folder):
    (folder / "..data").mkdir()
    (folder / "..data" / "a.yaml").write_text("users: {}")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    assert read(folder, {}).files == {"a.yaml": "users: {}"}


@pytest.mark.parametrize(
    "content, said",
    [
        (b"users: {}\nteams: \xff\n", "a.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("users: {}".encode("utf-16"), "a.yaml:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"users:\n\0", "a.yaml:2: holds a NUL character; remove it"),
        (b"#" * 1_000_001, "a.yaml:1: is larger than 1000 kB; split it"),
        (b"users: \x07", "a.yaml:1: not YAML: unacceptable character #x0007: special characters are not allowed"),
    ],
)
def test_what_is_not_text_is_one_line(folder, content, said):
    (folder / "a.yaml").write_bytes(content)
    assert [str(one) for one in read(folder, {}).mistakes] == [said]


def test_a_byte_order_mark_is_no_mistake(folder):
    (folder / "a.yaml").write_bytes(b"\xef\xbb\xbfusers: {}")
    assert read(folder, {}).files == {"a.yaml": "users: {}"}


def test_a_dangling_link_is_one_line(folder):
    (folder / "a.yaml").symlink_to("nowhere")
    assert [str(one) for one in read(folder, {}).mistakes] == ["a.yaml:1: is not a file that can be read"]


def test_a_file_name_that_is_not_text_is_one_line(folder):
    name = os.fsdecode(b"a\xff.yaml")
    (folder / name).write_text("users: {}")
    assert [str(one) for one in read(folder, {}).mistakes] == ["a\\udcff.yaml:1: the file's name is not UTF-8; rename it"]


def test_all_files_together_have_a_limit(folder, monkeypatch):
    monkeypatch.setattr(folder_limits, "MAX_TOTAL", 20)
    for name in "abc":
        (folder / f"{name}.yaml").write_text("users: {}")
    assert [one.file for one in read(folder, {}).mistakes] == ["c.yaml"]


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(Invalid, match=r"cannot read the configuration folder .*nowhere: No such file"):
        read(tmp_path / "nowhere", {})
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="Not a directory"):
        read(tmp_path / "file", {})
