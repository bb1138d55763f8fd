"""No file, however broken, raises: every one is read, or is refused line by line."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app.configfile.load import compile, load_texts
from app.configfile.read import _decoded
from app.configfile.sections import SECTIONS

EXAMPLES = Path(__file__).parents[2] / "docs/examples/alerting"
EXAMPLE = {path.name: path.read_text() for path in sorted(EXAMPLES.glob("*.yaml"))}
WORDS = ["---\n", "${", "$${", "<<: ", "!!", "&a ", "*a", "\\u", ": ", "- ", "? "]
MARKS = st.sampled_from([*"{}[]&*!|>'\"%@`#,:?-\t\n ~<=", *WORDS])


def survives(text: str) -> None:
    loaded = load_texts({"a.yaml": text}, {})
    for one in (*loaded.errors, *loaded.warnings):
        assert one.line >= 1
        assert str(one).isprintable()
    if loaded.config is not None:
        compile(loaded.config)


@given(st.text())
def test_any_text_survives(text: str) -> None:
    survives(text)


@given(st.lists(st.one_of(MARKS, st.text(max_size=3)), max_size=40).map("".join))
def test_any_heap_of_yaml_marks_survives(text: str) -> None:
    survives(text)


@given(st.binary())
def test_any_bytes_survive(content: bytes) -> None:
    text, errors = _decoded(content, "a.yaml")
    assert (text is None) == bool(errors)
    if text is not None:
        survives(text)


LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10),
    st.sampled_from(["health.tcp", "webhook", "threshold", "user:ada", "5m", "22:00", "off", "2026-11-02", "ada", "1 of 2"]),
)  # fmt: skip
KNOWN = """match policy steps page wait kind check metric above below window probe with every alert after users layers name
    handoff start only days from to contacts channel notify high low role members url secret host port by severity labels"""
KEYS = st.sampled_from(KNOWN.split())


def branches(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5))


TREE = st.recursive(LEAF, branches, max_leaves=20)


def dumped(value: object) -> str:
    """JSON-like YAML; Python's nan and True are other words there, which is all the better."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumped(key)}: {dumped(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumped(one) for one in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}" for char in value) + '"'
    return str(value)


@settings(max_examples=300)
@given(st.sampled_from(list(SECTIONS)), TREE)
def test_any_section_of_any_shape_survives(section: str, tree: object) -> None:
    survives(f"{section}: {dumped(tree)}")


@settings(max_examples=300)
@given(st.sampled_from(list(SECTIONS)), st.dictionaries(KEYS, TREE, max_size=6))
def test_any_thing_with_known_keys_survives(section: str, thing: dict[str, object]) -> None:
    survives(f"{section}: {{x: {dumped(thing)}}}")
    survives(f"{section}: [{dumped(thing)}]")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(EXAMPLE)), st.data())
def test_the_example_with_a_piece_cut_out_or_doubled_survives(name: str, data: st.DataObject) -> None:
    text = EXAMPLE[name]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    filling = data.draw(st.one_of(st.just(""), st.just(text[start:end] * 2), MARKS))
    loaded = load_texts({**EXAMPLE, name: text[:start] + filling + text[end:]}, {})
    if loaded.config is not None:
        compile(loaded.config)
