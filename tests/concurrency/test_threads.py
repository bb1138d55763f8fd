"""A call that hangs holds up no other, and threads are used again."""

import os
import threading

from app.concurrency.threads import MOST_IDLE, Threads, start


def test_calls_that_hang_hold_up_no_other() -> None:
    release, done = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(10)

    pool = Threads()
    for _ in range(100):
        pool.start(hang)
    pool.start(done.set)
    assert done.wait(5)
    release.set()


def test_threads_are_used_again_and_only_a_few_wait() -> None:
    pool, seen = Threads(), set[int]()
    for _ in range(50):
        done = threading.Event()

        def job(done: threading.Event = done) -> None:
            seen.add(threading.get_ident())
            done.set()

        pool.start(job)
        assert done.wait(5)
    assert len(seen) <= MOST_IDLE


def test_a_forked_child_has_threads_of_its_own() -> None:
    done = threading.Event()
    start(done.set)
    assert done.wait(5)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        started = threading.Event()
        start(started.set)
        os.write(write, b"1" if started.wait(5) else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"1"
    os.close(read)
    os.close(write)
