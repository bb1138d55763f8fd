"""What the keeper keeps: a table of processes, written by `up` to HOME/run/plan.json, read by the keeper.

The keeper is a process of its own that reads this file and imports next to nothing: it lives as long as the stack does.
"""

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SERVERS = ("postgres", "valkey")
# What every Python process of the stack gets: lines at once, and one heap instead of one per thread.
PYTHON_ENV = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}
TOCSIN = (sys.executable, "-m", "app.cli")  # how a command of ours is run
STEP = "step"  # kind of what runs once, to its end; `status` does not list it


@dataclass(frozen=True, slots=True)
class Spec:
    """One process: what to run, after whom, how to see that it is ready, how to end it."""

    name: str
    kind: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()  # names that must be ready before the first start; restarts do not wait
    ready: str = ""  # an address `readiness.missing` understands; empty: ready as soon as it runs
    env: Mapping[str, str] = field(default_factory=dict)
    inherits: bool = True  # the keeper's environment below `env`; secrets are in it, so servers go without
    cwd: str | None = None
    folders: tuple[str, ...] = ()  # of ours alone, made before each start: who removes them while it runs has it back empty
    account: tuple[int, int] | None = None  # uid and gid when not ours
    given: str = ""  # a folder of that account, made before each start
    link: tuple[str, ...] = ()  # a link made before each start, and what it points to
    socket: str = ""  # where clients look for it; without it, it is as good as gone
    stop: int = int(signal.SIGTERM)
    timeout: float = 30.0  # seconds between `stop` and SIGKILL
    tries: int = 0  # deaths before it was ever ready after which the start has failed; 0: it is tried for ever
    advice: str = ""  # what to do then

    @property
    def words(self) -> tuple[str, ...] | None:
        """What follows `tocsin` where this is one of its commands, run as and where the keeper runs."""
        ours = self.argv[:3] == TOCSIN and (self.account, self.cwd, self.inherits, self.env) == (None, None, True, PYTHON_ENV)
        return self.argv[3:] if ours else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole stack of one home."""

    home: str
    mark: str  # in the environment of every process of this home, see `leftovers`
    specs: tuple[Spec, ...]
    addresses: tuple[str, ...] = ()  # what people want to know when it is ready
    warnings: tuple[str, ...] = ()  # printed in red each time
    hold: tuple[str, ...] = ()  # folders held with flock, so that cleaners of /tmp pass them by
    log: str | None = None  # a file instead of stdout
    began: float = 0.0  # time.time() of the command

    def save(self, path: Path) -> None:
        """Write it as JSON, mode 0600."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))


def load(path: Path) -> Plan:
    """The plan `save` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text())
    specs = tuple(_spec(entry) for entry in raw.pop("specs"))
    return Plan(specs=specs, **frozen(raw))


def _spec(raw: dict[str, Any]) -> Spec:
    return Spec(**frozen(raw))


def frozen(raw: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
