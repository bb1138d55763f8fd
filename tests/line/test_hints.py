"""Hints have a thread of their own: whatever a broker does, nobody who commits waits for it."""

import os
import signal
import threading
from queue import Queue as Said

import pytest

from app.hints import Hints
from app.queues import Queue


def test_who_says_a_hint_does_not_wait_and_equal_ones_are_said_once() -> None:
    hangs, sent = threading.Event(), Said[Queue]()

    def send(stage: Queue) -> None:
        sent.put(stage)
        assert hangs.wait(10)

    hints = Hints(send)
    hints.add(Queue.DEDUP)
    assert sent.get(timeout=10) is Queue.DEDUP  # and the broker hangs
    for _ in range(100):
        hints.add(Queue.NOTIFY)
        hints.add(Queue.DEDUP)
    hangs.set()
    assert {sent.get(timeout=10), sent.get(timeout=10)} == {Queue.NOTIFY, Queue.DEDUP}
    hints.add(Queue.EVALUATE)
    assert sent.get(timeout=10) is Queue.EVALUATE  # so there were only two


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_a_thread_of_its_own() -> None:
    out, into = os.pipe()
    hints = Hints(lambda stage: os.write(into, f"{stage} ".encode()))
    hints.add(Queue.DEDUP)
    assert os.read(out, 100) == b"dedup "
    child = os.fork()
    if child == 0:
        hints.add(Queue.NOTIFY)
        signal.pause()
    try:
        assert os.read(out, 100) == b"notify "
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(out)
        os.close(into)
