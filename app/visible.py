"""Text from outside as people are shown it: nothing in it moves a cursor, turns the writing round or hides. Pure.

Source: Unicode TR36 (security), TR9 (the bidirectional algorithm), ECMA-48 (terminal escapes).
"""

import re

# What some systems take for a line's end or a wide gap; each stands between words.
_SPACE = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
# A terminal's escape with its parameters: colours, cursor, window titles, links.
_ESCAPE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
)
# Controls, lone surrogates, marks of direction, invisible letters and fillers. The joiners U+200C and U+200D stay: Persian,
# Indian scripts and emoji are written with them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_ODD = re.compile(r"[^\x20-\x7e\n]")
_TAIL = re.compile("[\u0300-\u036f\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")  # belongs to the letter before it


def visible(text: str) -> str:
    """One line of what is to be read: escapes and hidden characters are gone, line breaks are spaces."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub("", _SPACE.sub(" ", _ESCAPE.sub("", text)))


def printable(text: str) -> str:
    """The text with `\\x1b` for what cannot be shown: one line on which no terminal acts, and the same when it comes back."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def short(text: str, most: int) -> str:
    """The text in at most so many characters, cut between letters, at a word's end if one is near; `…` stands for the rest."""
    if len(text) <= most:
        return text
    end = most - 1
    while end > 1 and (_TAIL.match(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    space = text.rfind(" ", end - 20, end)
    return f"{text[: space if space > 0 else end].rstrip()}…"


def plain_json(text: str) -> str:
    """JSON text in which whatever is not plainly seen is written as an escape; it means the same."""
    return _ODD.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable() and not _HIDDEN.match(char):
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
