"""What pydantic refuses, in an API's words: what a field must be, and where it stands. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
OBJECT, LIST, TEXT, WHOLE, NUMBER, BOOLEAN = (
    f"must be {what}" for what in ("an object", "a list", "text", "a whole number", "a number", "true or false")
)
TIME = "must be a time with an offset, as 2026-11-02T09:00:00+01:00"


def explain(error: Facts) -> str:
    """One of pydantic's errors as the rest of a sentence that begins with the field: `must be at least 1`."""
    kind = str(error["type"])
    if isinstance(error.get("input"), str) and f"string_{kind}" in _WORDS:  # of a text that another validator has seen
        kind = f"string_{kind}"
    say = _WORDS.get(kind)
    if say is None:
        return _own(error)
    return say if isinstance(say, str) else say(error.get("ctx", {}))


def named(error: Facts) -> str:
    """The same with its field in front: `port: must be a whole number`."""
    where = place(error["loc"])
    return f"{where}: {explain(error)}" if where else explain(error)


def place(steps: Sequence[object]) -> str:
    """`("labels", "env")` -> `labels.env`, `("names", 0)` -> `names[0]`."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step != "[key]":
            text += f".{step}"
    return text.removeprefix(".")


def _own(error: Facts) -> str:
    """What one of our own validators says, or pydantic's words for what is not known here."""
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return text if any(char.isupper() for char in first[1:]) else text[:1].lower() + text[1:]


def _one_of(facts: Facts) -> str:
    """pydantic writes `'a', 'b' or 'c'`."""
    return f"must be one of {str(facts.get('expected', '')).replace(' or ', ', ').replace(chr(39), '')}"


def _length(limit: str, bound: str, unit: str) -> Callable[[Facts], str]:
    def say(facts: Facts) -> str:
        count = facts.get(limit)
        return f"must have at {bound} {count} {unit}{'' if count == 1 else 's'}"

    return say


_WORDS: Mapping[str, str | Callable[[Facts], str]] = {
    "missing": "missing required field",
    "extra_forbidden": "unknown field",
    "enum": _one_of,
    "literal_error": _one_of,
    "string_type": TEXT,
    "string_unicode": TEXT,
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing_size": "is too large",
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "dict_type": OBJECT,
    "mapping_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "list_type": LIST,
    "tuple_type": LIST,
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_from_date_parsing": TIME,
    "timezone_aware": TIME,
    "greater_than_equal": lambda facts: f"must be at least {facts['ge']}",
    "less_than_equal": lambda facts: f"must be at most {facts['le']}",
    "greater_than": lambda facts: f"must be more than {facts['gt']}",
    "less_than": lambda facts: f"must be less than {facts['lt']}",
    "string_too_short": _length("min_length", "least", "character"),
    "string_too_long": _length("max_length", "most", "character"),
    "too_short": _length("min_length", "least", "item"),
    "too_long": _length("max_length", "most", "item"),
    "string_pattern_mismatch": lambda facts: f"must match {facts['pattern']}",
    "json_invalid": "must be valid JSON",
}
