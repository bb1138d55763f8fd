"""One `security.log_match` check on a folder's logs, run after run."""

import json
from pathlib import Path
from typing import Any

from app.checks.probe import Reading
from tests.probes.run import measure

BAD = "Nov 23 09:00:01 web kernel: Out of memory: Killed process 4711 (python)\n"
DULL = "Nov 23 09:00:01 web cron: nothing happens here\n"
OOM = {"oom": r"Out of memory: Killed process \d+"}


class Watched:
    """One check on a folder's logs, run after run."""

    def __init__(self, folder: Path, name: str = "app.log") -> None:
        self.path, self.with_ = folder / name, {"paths": [str(folder / name)], "patterns": OOM}
        self.memory: dict[str, Any] = {}

    def __call__(self, **with_: Any) -> Reading:
        reading = measure("security.log_match", memory=self.memory, **(self.with_ | with_))
        self.memory = json.loads(json.dumps(dict(reading.memory or self.memory)))
        return reading

    def matches(self, **with_: Any) -> float:
        return self(**with_).metrics["matches"]

    def add(self, *lines: str, to: Path | None = None) -> None:
        with (to or self.path).open("a") as file:
            file.writelines(lines)
