"""What is typed into a search box: matchers as the configuration writes them, or plain words. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from app.catalog.matcher import Matchers, matches, parse_matchers
from app.errors import Invalid

T = TypeVar("T")
MAX_TEXT = 1024  # characters
MAX_WORDS = 16  # words, or matchers: each may look at everything there is
_LOOKS_LIKE_MATCHERS = re.compile(r"^\s*+\{?\s*+[\w.\-\"]+\s*+(=~|!~|!=|=)")


def matchers(text: str) -> Matchers:
    """The matchers in `text`; none when it is plain words. Raises Invalid when it begins like matchers and is not."""
    if len(text) > MAX_TEXT:
        raise Invalid(f"search text too long: {len(text):,} characters; use at most {MAX_TEXT:,}")
    if not _LOOKS_LIKE_MATCHERS.match(text):
        return ()
    try:
        return tuple(parse_matchers(text))
    except ValueError as error:
        raise Invalid(f'{error}; for example service="shop", severity=~"critical|error", or plain words') from None


def parsed(text: str) -> tuple[Matchers, tuple[str, ...]]:
    """The matchers in `text`, or else its words. Raises Invalid as `matchers` does, and for what no database looks for."""
    found = matchers(text)
    words = () if found else tuple(dict.fromkeys(text.split()))
    if "\0" in text or any("\0" in one.name + one.value for one in found):
        raise Invalid("search text contains a NUL character; remove it")
    for count, what in ((len(words), "word"), (len(found), "matcher")):
        if count > MAX_WORDS:
            raise Invalid(f"too many {what}s: {count}; use at most {MAX_WORDS}")
    return found, words


def fits(found: Matchers, words: Iterable[str], labels: Mapping[str, str], texts: Iterable[str] = ()) -> bool:
    """Whether labels pass the matchers, or each word, in whatever order, stands in one of their values or of `texts`."""
    if found:
        return matches(found, labels)
    whole = "\n".join((*labels.values(), *texts)).casefold()
    return all(word.casefold() in whole for word in words)


def filtered(text: str, things: Iterable[T], labels: Callable[[T], Mapping[str, str]]) -> tuple[list[T], str]:
    """Those of these things that fit what was typed; and what is wrong with it, which fits nothing, else nothing."""
    try:
        found, words = parsed(text)
    except Invalid as error:
        return [], str(error)
    return [one for one in things if fits(found, words, labels(one))], ""
