"""What is typed into a search box: matchers as the configuration writes them, or plain words. Pure."""

import re

from app.catalog.matcher import Matchers, parse_matchers
from app.errors import Invalid

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
        raise Invalid(f'{error}; write service="shop", severity=~"critical|error", or plain words') from None


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
