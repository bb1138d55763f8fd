"""The end of a stack: first what uses the servers, all at once, then the servers; what does not end in time is killed."""

import asyncio
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.supervisor.child import Child
from app.supervisor.plan import SERVERS


@dataclass(frozen=True, slots=True)
class Ending:
    """What there is to end. hurry: set when somebody asks twice. changed: called when a process's state changes."""

    children: Iterable[Child]
    hurry: asyncio.Event
    say: Callable[[str, bool], None]
    changed: Callable[[], None]

    async def run(self) -> None:
        """Return when nothing runs any more."""
        servers = [child for child in self.children if child.spec.kind in SERVERS]
        others = [child for child in self.children if child not in servers]
        for wave in (others, servers):
            await asyncio.gather(*(self._end(child) for child in wave))

    async def _end(self, child: Child) -> None:
        if child.is_running:
            child.stop()
            self.changed()
            hurried = child.spec.kind not in SERVERS
            waits = [asyncio.create_task(event.wait()) for event in (child.exited, *([self.hurry] if hurried else []))]
            await asyncio.wait(waits, timeout=child.spec.timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if child.is_running:
                self.say(f"{child.spec.name} did not stop in time; killing it", True)
                child.signal_group(signal.SIGKILL)
                await child.exited.wait()
        child.state = "stopped"
        self.changed()
