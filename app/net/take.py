"""Values that one answer gives and a later request uses: taken out, filled in, and never shown."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Self
from urllib.parse import quote

import orjson
import re2
from pydantic import BaseModel, BeforeValidator, Field, model_validator

from app.net.exchange import Response
from app.net.expect import STRICT, document
from app.net.jsonpath import JsonPath, TooMuch, select
from app.net.pattern import QUIET, Pattern
from app.net.url import http_url

PLACEHOLDER = re.compile(r"\{\{ *([A-Za-z_]\w{0,63}) *\}\}")
LONGEST = 16_384  # characters of a value
MIN_INNER_LENGTH = 4  # characters from which a value is hidden inside of other words too


class Extraction(BaseModel):
    """Where in a response to find a value."""

    model_config = STRICT
    json_: JsonPath | None = Field(default=None, alias="json", description="JSONPath (RFC 9535); the first value it selects")
    header: str | None = Field(default=None, description="name of the header; with `matches`, only the matching part")
    matches: Pattern | None = Field(
        default=None, description="RE2 pattern for the body or header; its first group, or the entire match"
    )

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.json_ is None) == (self.header is None and self.matches is None):
            raise ValueError("write one of json, header, matches, or header with matches")
        return self


Take = Annotated[
    Extraction, BeforeValidator(lambda value: {"json": value} if isinstance(value, str) else value)
]  # or a JSONPath


def extract(response: Response, wanted: Extraction) -> str:
    """The value as text. Raises ValueError that says why there is none, without quoting the answer."""
    value = _from_text(response, wanted) if wanted.json_ is None else _from_json(response, wanted.json_)
    if len(value) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    return value


def _from_json(response: Response, path: str) -> str:
    try:
        found = select(path, document(response))
    except TooMuch as error:
        raise ValueError(f"{path}: {error}") from None
    if not found:
        raise ValueError(f"{path} is missing")
    if found[0] is None or isinstance(found[0], list | dict):
        raise ValueError(f"{path} is neither text nor a number")
    return found[0] if isinstance(found[0], str) else orjson.dumps(found[0]).decode()


def _from_text(response: Response, wanted: Extraction) -> str:
    text: str | None = response.text
    if wanted.header is not None:
        text = response.headers.get(wanted.header.lower())
        if text is None:
            raise ValueError(f"header {wanted.header} is missing")
    assert text is not None
    if wanted.matches is None:
        return text
    match = re2.search(wanted.matches, text, QUIET)
    value = None if match is None else match[1 if match.re.groups else 0]
    if value is None:
        raise ValueError(f"no match for {wanted.matches!r}")
    return str(value)


def placeholders(text: str) -> set[str]:
    """Names of the values that a text wants: `{{ name }}`."""
    return set(PLACEHOLDER.findall(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its values, as they are."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], text) if "{{" in text else text


def fill_url(url: str, values: Mapping[str, str]) -> str:
    """The URL with its values: percent-encoded, so that none changes the host; one the URL begins with is taken as it is."""
    return PLACEHOLDER.sub(lambda match: values[match[1]] if match.start() == 0 else quote(values[match[1]], safe=""), url)


def url_template(url: str) -> str:
    """The URL, when it can become a sound one. Raises ValueError that says what is wrong."""
    if not PLACEHOLDER.match(url):
        http_url(PLACEHOLDER.sub("1", url))
    return url


def value_redactor(values: Mapping[str, str]) -> Callable[[str], str]:
    """What takes these values out of a text, in every form they may have got in a URL, in JSON or quoted."""
    forms = {form for value in values.values() for form in _forms(value) if form}
    if not forms:
        return str
    pattern = "|".join(
        re.escape(form) if len(form) >= MIN_INNER_LENGTH else rf"(?<!\w){re.escape(form)}(?!\w)"
        for form in sorted(forms, key=len, reverse=True)
    )
    found = re.compile(pattern)
    return lambda text: found.sub("***", text)


def _forms(value: str) -> tuple[str, ...]:
    return value, quote(value, safe=""), quote(value), orjson.dumps(value).decode()[1:-1], repr(value)[1:-1]
