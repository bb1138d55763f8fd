"""Counts the lines of log files and of the systemd journal that match patterns, since its last run.

Metrics: `matches` (lines, also by `pattern`), `labelled_matches` by `pattern` and its named groups (the `top` most frequent,
the rest as `other`), `lines` and `bytes` read, `lines_per_second`, `behind_bytes` that wait for the next run.

Files are followed through rotation, truncation and compression; if syslog says `message repeated 5 times`, the line counts five
times. Critical: more matches than `critical_above`. Warning: more than `warning_above`. Without either, any match is critical.
Unknown: a file or the journal cannot be read, or no file exists.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, probe, worst
from app.failure import Failed
from app.host.follow import LONGEST, Files, Limits, repeat
from app.host.journal import Journal, text
from app.net.pattern import compiled

MAX_LABEL_SETS = 5000  # sets of labels counted apart in one run
SAMPLE = 200  # characters shown of a line
VALUE = 100  # characters of a label
PATTERN = 2000  # characters
MAX_FILES = 200  # whose last line is remembered


def _check_pattern(pattern: str) -> str:
    if "pattern" in compiled(pattern).groupindex:
        raise ValueError('a group cannot be named "pattern": that label holds the name of the pattern')
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=PATTERN), AfterValidator(_check_pattern)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.-]{0,63}$")]
AbsolutePath = Annotated[str, Field(pattern=r"^/[^\x00]*$")]
Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
PRIORITIES = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]


class Entries(Spec):
    """Which entries of systemd's journal; what is left out does not matter."""

    units: tuple[Word, ...] = Field(default=(), description="systemd units, e.g. nginx.service; entries of any of them count")
    identifiers: tuple[Word, ...] = Field(default=(), description="syslog identifiers (programs), e.g. sshd")
    priority: PRIORITIES | None = Field(default=None, description="only entries of this priority or higher")
    folder: AbsolutePath | None = Field(
        default=None,
        description="folder of the journal, e.g. where a container mounts the host's; unset = this machine's journal",
    )


class Logs(Spec):
    """The logs, the patterns, and the limits."""

    paths: tuple[AbsolutePath, ...] = Field(
        default=(),
        description="log files; patterns with *, ? and [a-z] are allowed, ** matches any folders",
        examples=[["/var/log/nginx/error.log"]],
    )
    journal: Entries | None = Field(
        default=None, description="also read the systemd journal: units, identifiers, priority, folder; {} = the entire journal"
    )
    patterns: dict[Name, Pattern] = Field(
        min_length=1,
        max_length=50,
        description="name mapped to an RE2 pattern that matches anywhere in a line; named groups become labels",
        examples=[{"denied": "access forbidden by rule"}],
    )
    ignore: tuple[Pattern, ...] = Field(default=(), max_length=50, description="RE2 patterns of lines to ignore")
    warning_above: int | None = Field(
        default=None, ge=0, description="number of matching lines since the last run above which it warns"
    )
    critical_above: int | None = Field(
        default=None, ge=0, description="number of matching lines since the last run above which it is critical"
    )
    from_: Literal["end", "start"] = Field(
        default="end",
        alias="from",
        description="where the first run starts reading; files that appear later are read from the start",
    )
    top: int = Field(
        default=10,
        ge=1,
        le=100,
        description="maximum number of label sets to report for one pattern; the rest are summed as other",
    )
    sample: bool = Field(
        default=True, description="show the newest matching line in the message; false if lines contain secrets"
    )
    max_bytes: int = Field(
        default=16_777_216,
        ge=65_536,
        description="maximum bytes to read from files in one run; the rest waits for the next run",
    )
    max_lines: int = Field(
        default=500_000,
        ge=1000,
        description="maximum lines and journal entries to read in one run; the rest waits for the next run",
    )

    @model_validator(mode="after")
    def _check_source(self) -> "Logs":
        if not self.paths and self.journal is None:
            raise ValueError("give paths of log files, or journal")
        return self


LineMatch = tuple[tuple[str, tuple[str, ...]], ...]  # name of a pattern, values of its named groups


@dataclass(slots=True)
class Tally:
    """What was found."""

    spec: Logs
    lines: int = 0
    messages: int = 0  # the same, with repetitions that syslog reports
    matching: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # by pattern
    labelled: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)  # by pattern and groups; () = the rest
    newest: tuple[str, bytes] | None = None  # where, line
    last: dict[str, LineMatch] = field(default_factory=dict)  # by file: what was found in its last line
    wanted: list[tuple[str, Any, dict[str, int]]] = field(init=False)  # name, pattern, named groups and their numbers
    unwanted: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        patterns = [(name, compiled(pattern)) for name, pattern in self.spec.patterns.items()]
        self.wanted = [(name, pattern, dict(pattern.groupindex)) for name, pattern in patterns]
        self.unwanted = [compiled(pattern) for pattern in self.spec.ignore]

    def add(self, line: bytes, where: str) -> None:
        """Judge one line. RE2 on bytes takes them for UTF-8, and `.` is no broken one: those are replaced before."""
        self.lines += 1
        clean = line if line.isascii() else line.decode(errors="replace").encode()
        times, found = self._found(clean, where)
        self.messages += times
        self.last[where] = found
        if not found:
            return
        self.matching += times
        self.newest = where, clean
        for name, values in found:
            self.counts[name] += times
            if values:
                key = name, values
                self.labelled[key if key in self.labelled or len(self.labelled) < MAX_LABEL_SETS else (name, ())] += times

    def _found(self, line: bytes, where: str) -> tuple[int, LineMatch]:
        """The matches of a line, and how often they count: a repetition reported by syslog counts as often as it says."""
        repeated = repeat(line.decode()) if b"repeated" in line else None
        if repeated is not None and repeated.line is not None and (found := self._matches(repeated.line.encode())):
            return repeated.times, found
        found = self._matches(line)
        if found or repeated is None or repeated.line is not None:
            return 1, found
        return repeated.times, self.last.get(where, ())

    def _matches(self, line: bytes) -> LineMatch:
        """The patterns that match, each with its named groups' values."""
        found = [(name, match, groups) for name, pattern, groups in self.wanted if (match := pattern.search(line))]
        if not found or any(pattern.search(line) for pattern in self.unwanted):
            return ()
        return tuple(
            (name, tuple(shown(match[number] or b"", VALUE) for number in groups.values())) for name, match, groups in found
        )

    def last_lines(self) -> dict[str, LineMatch]:
        """What was found in each file's last line, where there were any: the next line may repeat it."""
        return dict([(where, found) for where, found in self.last.items() if found][:MAX_FILES])

    def restore(self, kept: object) -> None:
        """Go on from there, with the patterns that are still sought."""
        groups = {name: len(numbers) for name, _, numbers in self.wanted}
        for where, found in kept.items() if isinstance(kept, dict) else ():
            with suppress(TypeError, ValueError):
                pairs = [(str(name), tuple(map(str, values))) for name, values in found]
                self.last[where] = tuple(one for one in pairs if groups.get(one[0]) == len(one[1]))

    def series(self) -> Iterator[Series]:
        """One of every pattern, and the worst sets of labels of those with named groups."""
        for name, _, groups in self.wanted:
            yield Series("matches", float(self.counts[name]), {"pattern": name})
            own = Counter({values: count for (of, values), count in self.labelled.items() if of == name and values})
            top = own.most_common(self.spec.top)
            for values, count in top:
                yield Series("labelled_matches", float(count), dict(zip(groups, values, strict=True)) | {"pattern": name})
            rest = self.counts[name] - sum(count for _, count in top)
            if groups and rest:
                yield Series("labelled_matches", float(rest), dict.fromkeys(groups, "other") | {"pattern": name})


def shown(text: bytes, most: int) -> str:
    """Text for people: no control characters, cut."""
    clean = text[: 4 * most].decode(errors="replace").strip()
    if not clean.isprintable():
        clean = "".join(char if char.isprintable() else " " for char in clean).strip()
    return clean if len(clean) <= most else clean[: most - 1] + "…"


@probe()
def measure(spec: Logs, run: Run) -> Reading:
    now, clock, tally = time.time(), time.monotonic(), Tally(spec)
    limits = Limits(spec.max_bytes, spec.max_lines, clock + run.timeout * (0.4 if spec.journal else 0.8))
    tally.restore(run.memory.get("last"))
    files = Files(spec.paths, run.memory.get("files"), limits, from_start=spec.from_ == "start")
    for path, line in files.lines():
        tally.add(line, path)
    memory: dict[str, Any] = {"files": files.memory, "at": now, "last": tally.last_lines()}
    more = False
    if spec.journal is not None:
        left = run.timeout * 0.9 - (time.monotonic() - clock)
        memory["cursor"], more = _journal(spec, run.memory.get("cursor"), left, tally, files.errors)
    if files.errors and not files.readable and memory.get("cursor") is None:
        return Reading(Status.UNKNOWN, "; ".join(files.errors[:5]), memory=memory)
    metrics: dict[str, float] = {
        "matches": tally.matching,
        "lines": tally.lines,
        "bytes": files.bytes,
        "behind_bytes": files.behind,
    }
    if (elapsed := now - (run.number("at") or now)) > 0:  # the clock may have been set back
        metrics["lines_per_second"] = tally.lines / elapsed
    status = worst([_judge(tally.matching, spec), Status.UNKNOWN if files.errors else Status.OK])
    return Reading(status, _message(tally, files, more), metrics, tuple(tally.series()), memory)


def _judge(matching: int, spec: Logs) -> Status:
    critical = 0 if spec.critical_above is None and spec.warning_above is None else spec.critical_above
    if critical is not None and matching > critical:
        return Status.CRITICAL
    if spec.warning_above is not None and matching > spec.warning_above:
        return Status.WARNING
    return Status.OK


def _message(tally: Tally, files: Files, more: bool) -> str:
    """`3 lines of 120 match: oom 2, segfault 1; last in /var/log/kern.log: ...`, and what stood in the way."""
    parts = [f"{tally.matching} of {tally.messages} lines match"]
    if tally.matching:
        parts[0] += ": " + ", ".join(f"{name} {count}" for name, count in tally.counts.most_common(5))
    if tally.newest and tally.spec.sample:
        parts.append(f"last in {tally.newest[0]}: {shown(tally.newest[1], SAMPLE)}")
    if files.behind or more:
        parts.append(f"behind: {files.behind} bytes wait for the next run" if files.behind else "behind: the journal has more")
    return "; ".join(parts + files.notes[:3] + files.errors[:3])


def _journal(spec: Logs, cursor: str | None, timeout: float, tally: Tally, errors: list[str]) -> tuple[str | None, bool]:
    """Judge the journal's new entries; returns where to go on, and whether there was more."""
    assert spec.journal is not None
    matches = [f"--unit={unit}" for unit in spec.journal.units] + [f"--identifier={name}" for name in spec.journal.identifiers]
    if spec.journal.priority:
        matches.append(f"--priority={spec.journal.priority}")
    journal = Journal(
        matches, cursor, timeout=timeout, most=spec.max_lines, from_start=spec.from_ == "start", folder=spec.journal.folder
    )
    try:
        for entry in journal.entries():
            message = text(entry.get("MESSAGE"))
            tally.add(message[:LONGEST].encode(errors="replace"), text(entry.get("SYSLOG_IDENTIFIER")) or "the journal")
    except Failed as failed:
        errors.append(str(failed))
        return cursor, False
    return journal.cursor, journal.behind
