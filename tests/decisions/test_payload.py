"""How deep a call is nested is seen without building anything, whatever its texts hold."""

import json

from hypothesis import given
from hypothesis import strategies as st

from app.signals.payload import too_deep

tricky = st.text(st.sampled_from('"\\[]{}nu0é'), max_size=8)
documents = st.recursive(
    st.none() | st.integers() | tricky,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(tricky, inner, max_size=4),
    max_leaves=30,
)


def depth(document: object) -> int:
    """How many lists and objects stand in each other."""
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(documents, st.integers(0, 6))
def test_the_depth_of_every_document_is_its_nesting(document: object, limit: int) -> None:
    for text in (json.dumps(document), json.dumps(document, indent=1), json.dumps(document, ensure_ascii=False)):
        assert too_deep(text.encode(), limit) is (depth(document) > limit)


def test_what_is_no_json_is_looked_through_once() -> None:
    for body in (b'"' * 100_000, b"\\" * 100_001, b'"[' * 50_000, b'["' * 50_000, b'\\"' * 50_000 + b"[" * 30):
        assert too_deep(body) in (True, False)
    assert too_deep(b"[" * 1_000_000)
    assert not too_deep(b"[]" * 500_000)
