"""What is typed into a search box: matchers as the configuration writes them, or plain words. Pure."""

import re

from app.catalog.matcher import Matchers, parse_matchers
from app.errors import Invalid

MAX_WORDS = 16
_LOOKS_LIKE_MATCHERS = re.compile(r"^\s*\{?\s*[\w.\-\"]+\s*(=~|!~|!=|=)")


def matchers(text: str) -> Matchers:
    """The matchers in `text`; none when it is plain words. Raises Invalid when it begins like matchers and is not."""
    if not _LOOKS_LIKE_MATCHERS.match(text):
        return ()
    try:
        return tuple(parse_matchers(text))
    except ValueError as error:
        raise Invalid(f'{error}; write service="shop", severity=~"critical|error", or plain words') from None


def parsed(text: str) -> tuple[Matchers, tuple[str, ...]]:
    """The matchers in `text`, or else its words. Raises Invalid as `matchers` does, and for too many words."""
    found = matchers(text)
    words = () if found else tuple(dict.fromkeys(text.split()))
    if len(words) > MAX_WORDS:
        raise Invalid(f"too many words: {len(words)}; use at most {MAX_WORDS}")
    return found, words
