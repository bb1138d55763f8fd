"""The supervisor of one home: starts the plan's processes, keeps each alive, tells when all is ready, ends them in order.

`python -m app.supervisor.keeper HOME LOCK` becomes it, with the home's lock already held on descriptor LOCK. It imports no
part of Tocsin but what it needs here, no settings, no database, no Celery: it is the one process that must not grow or fail.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from app.supervisor import folders, leftovers, plan, readiness, state
from app.supervisor.child import Child
from app.supervisor.output import File, Stream, Terminal
from app.supervisor.plan import SERVERS, STEP, Plan

OURS = "tocsin"  # the name in front of the keeper's own lines
PATIENCE = 15.0  # seconds until what is missing is said in red
ALARM = "! "  # how a step marks a line that people must see


class Keeper:
    """Keeps the processes of one plan."""

    def __init__(self, kept: Plan, sink: File | Terminal) -> None:
        self.plan = kept
        self.home = Path(kept.home)
        self.children = {spec.name: Child(spec) for spec in kept.specs}
        self.out = Stream(sink, [*self.children, OURS])
        self.env = {**os.environ, leftovers.MARK: kept.mark}
        self.warnings = list(kept.warnings)
        self.stopping = asyncio.Event()
        self.hurry = asyncio.Event()
        self.ready_after: float | None = None
        self.started = leftovers.started(os.getpid()) or 0.0
        self._save: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Keep everything until SIGINT, SIGTERM or SIGHUP, then end everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGTSTP, lambda: None)  # Ctrl-Z would stop the reader of every child's output
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        tasks = [loop.create_task(self._keep(child)) for child in self.children.values()]
        tasks += [loop.create_task(work) for work in (self._announce(), self._complain(), self._watch())]
        for task in tasks:
            task.add_done_callback(self._finished)
        await self.stopping.wait()
        for task in tasks:
            task.cancel()
        await self._end()

    def say(self, text: str, red: bool = False) -> None:
        """A line of our own."""
        self.out.line(OURS, text, red)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.say(f"supervisor error, please report it: {error!r}", red=True)

    async def _keep(self, child: Child) -> None:
        for need in child.spec.needs:
            await self.children[need].ready.wait()
        while True:
            await self._play(child)
            if child.spec.kind == STEP and child.status == 0:
                child.lacks, child.state = (), "stopped"
                child.ready.set()
                self._changed()
                return
            pause = child.pause()
            child.state = "restarting"
            child.restarts += 1
            self.say(f"{child.spec.name} ended ({_meaning(child.status)}), starting it again in {pause:.1f} s", red=True)
            self._changed()
            await asyncio.sleep(pause)

    async def _play(self, child: Child) -> None:
        """One life of a process."""
        try:
            child.start(self.env, lambda text: self._heard(child, text))
        except OSError as error:
            self.say(f"{child.spec.name} cannot start: {error}", red=True)
            return
        self._changed()
        if child.spec.kind == STEP:
            await child.exited.wait()
            return
        look = asyncio.create_task(self._look(child))
        try:
            await child.exited.wait()
        finally:
            look.cancel()

    async def _look(self, child: Child) -> None:
        """Ask until it lacks nothing; it counts as running as soon as it answers at all."""
        since = time.monotonic()
        while True:
            before = child.lacks, child.state
            child.lacks = await readiness.missing(child.spec.name, child.spec.ready, child.process.pid if child.process else 0)
            if child.lacks != (child.spec.name,) and child.state == "starting":
                child.state = "running"
            if not child.lacks:
                child.ready.set()
            if before != (child.lacks, child.state):
                self._changed()
            if not child.lacks:
                return
            await asyncio.sleep(0.05 if time.monotonic() - since < 30 else 1.0)

    def _heard(self, child: Child, text: str) -> None:
        alarm = child.spec.kind == STEP and text.startswith(ALARM)
        self.out.line(child.spec.name, text, red=alarm)
        if alarm and (what := text.removeprefix(ALARM)) not in self.warnings:
            self.warnings.append(what)
            self._changed()

    async def _announce(self) -> None:
        for child in self.children.values():
            await child.ready.wait()
        self.ready_after = round(time.time() - self.plan.began, 2)
        self._changed()
        self.say(f"ready after {self.ready_after:.1f} s")
        self._addresses()

    async def _complain(self) -> None:
        await asyncio.sleep(max(0.0, self.plan.began + PATIENCE - time.time()))
        if self.ready_after is None:
            self.say(f"not ready after {PATIENCE:.0f} s, missing: {', '.join(self.missing())}", red=True)
            self._addresses()

    def _addresses(self) -> None:
        for text in self.plan.addresses:
            self.say(text)
        for text in self.warnings:
            self.say(text, red=True)

    def missing(self) -> tuple[str, ...]:
        """What is not ready, each thing once."""
        return tuple(
            dict.fromkeys(what for child in self.children.values() if not child.ready.is_set() for what in child.lacks)
        )

    async def _watch(self) -> None:
        """See to the dead also when a signal was lost."""
        while True:
            await asyncio.sleep(1.0)
            self._reap()

    def _reap(self) -> None:
        for child in self.children.values():
            if child.reap():
                self._changed()

    def _changed(self) -> None:
        if self._save is None:
            self._save = asyncio.get_running_loop().call_later(0.02, self.save)

    def save(self) -> None:
        """Write the state file; a full disk must not end the keeper."""
        self._save = None
        rows = tuple(child.row() for child in self.children.values() if child.spec.kind != STEP)
        missing = () if self.ready_after is not None else self.missing()
        with suppress(OSError):
            now = state.State(os.getpid(), self.started, rows, self.ready_after, missing, tuple(self.warnings))
            state.save(self.home, now)

    def _asked_to_stop(self) -> None:
        if self.stopping.is_set():
            self.hurry.set()
        self.stopping.set()

    async def _end(self) -> None:
        """First what uses the servers, all at once; then the servers."""
        self.say("stopping; once more to hurry")
        servers = [child for child in self.children.values() if child.spec.kind in SERVERS]
        others = [child for child in self.children.values() if child not in servers]
        for wave in (others, servers):
            await asyncio.gather(*(self._end_one(child) for child in wave))
        if self._save is not None:
            self._save.cancel()
        self.say("stopped")

    async def _end_one(self, child: Child) -> None:
        if child.is_running:
            child.stop()
            self._changed()
            hurried = child.spec.kind not in SERVERS
            waits = [asyncio.create_task(event.wait()) for event in (child.exited, *([self.hurry] if hurried else []))]
            await asyncio.wait(waits, timeout=child.spec.patience, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if child.is_running:
                self.say(f"{child.spec.name} does not end, killing it", red=True)
                child.signal_group(signal.SIGKILL)
                await child.exited.wait()
        child.state = "stopped"
        self._changed()


def _meaning(status: int | None) -> str:
    if status is None:
        return "never started"
    return f"signal {-status}" if status < 0 else f"status {status}"


def main(home: Path, lock: int) -> int:
    """Become the keeper of `home`; `lock` is closed by our end alone, never by a child's."""
    os.set_inheritable(lock, False)
    state.sign(lock)
    kept = plan.load(home / "run" / "plan.json")
    held = [state.hold(Path(folder)) for folder in kept.hold]
    sink = File(Path(kept.log)) if kept.log else Terminal()
    asyncio.run(Keeper(kept, sink).run())
    del held
    for name in ("state.json", "plan.json"):
        (home / "run" / name).unlink(missing_ok=True)
    for folder in kept.hold:
        folders.remove_sockets(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
