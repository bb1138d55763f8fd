"""Syslog's "message repeated N times" lines: one line that counts for N messages.

rsyslog quotes the message: `message repeated 5 times: [ Failed password ...]`. syslogd, the BSDs', macOS' and rsyslog's older
ones mean the line before: `web last message repeated 5 times`. Both count what came after the first one, which stands there
by itself. The text of a message is whatever somebody sent: only where no program's message can begin is it syslog's own.
"""

import re
from typing import NamedTuple

STAMP = r"(?:<\d{1,3}>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d(?: \d{4})? [\d:.]{8,15}|\d{4}-\d\d-\d\d[T ]\S+)"
BY_SYSLOG = r"(?:(?:kernel|syslogd|rsyslogd|syslog-ng)(?:\[\d+\])?:? )?(?:- - - (?:- )?)?"
LAST = re.compile(
    rf"{STAMP} (?:\S+ )?{BY_SYSLOG}"
    r"(?:(?:-+ )?(?:last )?message repeated (?P<times>\d{1,6}) times?(?: -+)?|"
    r"Last message '.*' repeated (?P<suppressed>\d{1,6}) times?, supp?ressed by syslog-ng on \S+)\s*"
)
HEAD = r"(?:(?!: ).)*: |(?:<\d{1,3}>)?1 (?:\S+ ){5}(?:-|\[[^\]]*\]) \ufeff?"  # up to the message: the first ": ", or RFC 5424's
QUOTED = re.compile(rf"(?P<head>{HEAD})message repeated (?P<times>\d{{1,6}}) times: \[ ?(?P<said>.*)\]\s*", re.DOTALL)


class Repeat(NamedTuple):
    """How often a message came again."""

    times: int
    line: str | None  # the line as it was the first time; None: the line before this one


def repeat(line: str) -> Repeat | None:
    """The repetition that a log line reports; None for an ordinary line."""
    if "repeated" not in line:
        return None
    if found := QUOTED.fullmatch(line):
        return Repeat(int(found["times"]), found["head"] + found["said"])
    if found := LAST.fullmatch(line):
        return Repeat(int(found["times"] or found["suppressed"]), None)
    return None
