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

from app import kept as kept_files
from app.errors import Unusable
from app.supervisor import folders, leftovers, plan, readiness, state
from app.supervisor.child import Child
from app.supervisor.ending import Ending
from app.supervisor.exits import first_admin, last_error, meaning
from app.supervisor.forks import Forks
from app.supervisor.linger import Lingering
from app.supervisor.output import File, Stream, Terminal
from app.supervisor.plan import PYTHON_ENV, STEP, Plan
from app.supervisor.translate import OURS

TIMEOUT = 15.0  # seconds until what is missing is said in red
ALARM = "! "  # how a step marks a line that people must see


class Keeper:
    """Keeps the processes of one plan."""

    def __init__(self, kept: Plan, sink: File | Terminal) -> None:
        self.plan = kept
        self.home = Path(kept.home)
        self.children = {spec.name: Child(spec) for spec in kept.specs}
        self.out = Stream(sink, {**{name: child.spec.kind for name, child in self.children.items()}, OURS: OURS})
        self.env = {**os.environ, leftovers.MARK: kept.mark}
        self.forks = Forks({**self.env, **PYTHON_ENV})
        self.warnings = list(kept.warnings)
        self.stopping = asyncio.Event()
        self.hurry = asyncio.Event()
        self.ready_after: float | None = None
        self.failure: str | None = None  # why the start was given up
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
        if child.spec.words is not None:
            await self.forks.wait()
        while True:
            await self._play(child)
            if child.spec.kind == STEP and child.status == 0:
                child.lacks, child.state, child.reason = (), "stopped", ""
                kept_files.promote(self.home)
                child.ready.set()
                self._changed()
                return
            await self._mourn(child)
            if self.failure is not None:
                return

    async def _mourn(self, child: Child) -> None:
        """Say why it ended, and wait until it may be started again; the end of everything when that cannot help."""
        await asyncio.sleep(0.05)  # what it wrote last is still being read
        reason = last_error(child.said) or meaning(child.status)
        child.restarts += 1
        if child.is_hopeless and self.ready_after is None:
            advice = f"; {child.spec.advice}" if child.spec.advice else ""
            self.fail(f"{child.spec.name} cannot start: {reason}{advice}")
            return
        child.reason = reason
        pause = child.pause()
        child.state = "restarting"
        how = meaning(child.status)
        why = f"{how}: {child.reason}" if child.reason != how else how
        self.say(f"{child.spec.name} exited ({why}); restarting in {pause:.1f} s", red=True)
        self._changed()
        await asyncio.sleep(pause)

    def fail(self, why: str) -> None:
        """Give the start up: say why, keep it for whoever waits, and end everything."""
        self.failure = why
        self.say(why, red=True)
        state.fail(self.home, why)
        self.stopping.set()

    async def _play(self, child: Child) -> None:
        """One life of a process."""
        try:
            child.start(self.env, self.forks, lambda text: self._read_line(child, text))
        except (OSError, Unusable) as error:
            child.status = None
            child.said.append(str(error))
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
                child.reason = ""
            if before != (child.lacks, child.state):
                self._changed()
            if not child.lacks:
                return
            await asyncio.sleep(0.05 if time.monotonic() - since < 30 else 1.0)

    def _read_line(self, child: Child, text: str) -> None:
        child.said.append(text)
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
        await asyncio.sleep(max(0.0, self.plan.began + TIMEOUT - time.time()))
        if self.ready_after is None:
            self.say(f"not ready after {TIMEOUT:.0f} s; missing: {', '.join(self.missing())}", red=True)
            for reason in self.reasons():
                self.say(reason, red=True)
            self._addresses()

    def _addresses(self) -> None:
        for text in (*self.plan.addresses, first_admin(self.home)):
            self.say(text)
        for text in self.warnings:
            self.say(text, red=True)

    def missing(self) -> tuple[str, ...]:
        """What is not ready, each thing once."""
        return tuple(
            dict.fromkeys(what for child in self.children.values() if not child.ready.is_set() for what in child.lacks)
        )

    def reasons(self) -> tuple[str, ...]:
        """Why what is not back ended."""
        return tuple(f"{child.spec.name}: {child.reason}" for child in self.children.values() if child.reason)

    async def _watch(self) -> None:
        """See to the dead also when a signal was lost, to servers that are cut off, and to a database that waits to end."""
        lingering = Lingering(self.say)
        while True:
            await asyncio.sleep(1.0)
            self._reap()
            for child in self.children.values():
                if child.is_cut_off:
                    self._join(child)
            lingering.look(self.children.values())
            self.forks.look()

    def _join(self, child: Child) -> None:
        """Its socket was removed: make what leads to it anew; where that is not enough, it starts again, which makes one."""
        try:
            child.make_room()
        except (OSError, Unusable) as error:
            self.say(f"{child.spec.name} cannot be reached: {error}", red=True)
            return
        if child.is_cut_off:
            self.say(f"the socket of {child.spec.name} was removed; restarting it", red=True)
            child.stop()
        else:
            self.say(f"the link to the socket of {child.spec.name} was removed; recreated", red=True)

    def _reap(self) -> None:
        for child in self.children.values():
            if child.reap():
                asyncio.get_running_loop().call_later(0.5, self.out.ended, child.spec.name)  # its last words may be on the way
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
            now = state.State(os.getpid(), self.started, rows, self.ready_after, missing, tuple(self.warnings), self.reasons())
            state.save(self.home, now)

    def _asked_to_stop(self) -> None:
        if self.stopping.is_set():
            self.hurry.set()
        self.stopping.set()

    async def _end(self) -> None:
        self.say("stopping; press Ctrl-C again to kill processes that take too long")
        await Ending(self.children.values(), self.hurry, self.say, self._changed).run()
        self.forks.stop()
        if self._save is not None:
            self._save.cancel()
        self.say("stopped")


def main(home: Path, lock: int) -> int:
    """Become the keeper of `home`; `lock` is closed by our end alone, never by a child's."""
    os.set_inheritable(lock, False)
    state.sign(lock)
    kept = plan.load(home / "run" / "plan.json")
    held = [state.hold(Path(folder)) for folder in kept.hold]
    sink = File(Path(kept.log)) if kept.log else Terminal()
    keeper = Keeper(kept, sink)
    asyncio.run(keeper.run())
    del held
    for name in ("state.json", "plan.json", "settings.json"):
        (home / "run" / name).unlink(missing_ok=True)
    for folder in kept.hold:
        folders.remove_sockets(Path(folder))
    if keeper.failure is None:
        return 0
    if not kept.log:  # there `up --detach` says it
        sys.stderr.write(f"tocsin: {keeper.failure}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
