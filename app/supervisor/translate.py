"""What a process prints, as lines of the one format: PostgreSQL's and Valkey's own formats, tracebacks, anything else.

Our own processes write the format themselves, so their lines pass; a traceback from before they could becomes one line.
"""

import re
from collections.abc import Iterator

from app.logfmt import say
from app.secret import hide

OURS = "tocsin"  # the name in front of the supervisor's own lines
LINES = 400  # of a traceback that are kept together

_POSTGRES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \S+ (?:\[\d+\] )?(?P<word>[A-Z]+\d?):\s+(?P<text>.*)")
_POSTGRES_LEVELS = {"WARNING": "warning", "ERROR": "error", "FATAL": "error", "PANIC": "critical"} | {
    f"DEBUG{number}": "debug" for number in range(1, 6)
}
_VALKEY = re.compile(r"\d+:(?P<role>[A-Z]) \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d\.\d+ (?P<mark>[.*#-]) (?P<text>.*)")
_VALKEY_LEVELS = {".": "debug", "-": "debug", "*": "info", "#": "warning"}
_VALKEY_BARE = re.compile(r"\d+:signal-handler \(\d+\) (?P<text>.*)")
_WORDS = ("DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION")
_TRACEBACK = re.compile(
    r"(?:  \+ Exception Group )?Traceback \(most recent call last\):|During handling of the above|The above exception was"
)
_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")
_ADDRESS = re.compile(r"(?P<what>\w+)\s{2,}(?P<url>https?://\S+)\s*(?P<note>.*)")


class Translator:
    """The lines of one process; `kind` is its kind in the plan."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.gathered: list[str] = []

    def lines(self, text: str, red: bool = False) -> Iterator[str]:
        """What this line makes; nothing while it belongs to a traceback that goes on."""
        if self.gathered and (text[:1] in " \t" or _TRACEBACK.match(text)) and len(self.gathered) < LINES:
            self.gathered.append(text)
            return
        if self.gathered:
            ended = not _TRACEBACK.match(self.gathered[-1])  # a traceback's last line is not indented: the error itself
            if ended and not text.startswith("ts="):
                self.gathered.append(text)
                yield from self.flush()
                return
            yield from self.flush()
        if _TRACEBACK.match(text):
            self.gathered = [text]
            return
        yield self._line(text, red)

    def flush(self) -> Iterator[str]:
        """What is left of a traceback when the process has ended."""
        if self.gathered:
            whole, self.gathered = "\n".join(self.gathered), []
            yield say("error", "traceback", text=whole)

    def _line(self, text: str, red: bool) -> str:
        if text.startswith("ts="):
            return hide(text)
        if self.kind == "postgres":
            return _postgres(text)
        if self.kind == "valkey":
            return _valkey(text)
        if self.kind == OURS:
            return _own(text, red)
        level = "error" if red or text.startswith("tocsin: ") else "warning" if _WARNING.match(text) else "info"
        return say(level, "output", text=text.strip())


def _postgres(text: str) -> str:
    found = _POSTGRES.match(text)
    if found is None:
        return say("info", "postgres", text=text.strip())
    word = found["word"]
    part = {"part": word.lower()} if word in _WORDS else {}
    return say(_POSTGRES_LEVELS.get(word, "info"), "postgres", **part, text=found["text"])


def _valkey(text: str) -> str:
    if (found := _VALKEY.match(text)) is not None:
        return say(_VALKEY_LEVELS[found["mark"]], "valkey", text=found["text"])
    bare = _VALKEY_BARE.match(text)
    return say("info", "valkey", text=(bare["text"] if bare else text).strip())


def _own(text: str, red: bool) -> str:
    level = "error" if red else "info"
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return say(level, "supervisor", text=text)
    note = {"note": found["note"]} if found["note"] else {}
    return say(level, "address", what=found["what"], url=found["url"], **note)
