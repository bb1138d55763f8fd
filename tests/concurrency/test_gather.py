"""Callers that come while work is under way are served together by the next piece of it."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.concurrency.gather import Gather


class Work:
    """Doubles numbers once it may; what it was asked for, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[list[int]] = []
        self.may = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.pieces.append(list(items))
        assert self.may.wait(10)
        if 13 in items:
            raise LookupError("all of them")
        return [ValueError(f"not {one}") if one < 0 else 2 * one for one in items]


def served(numbers: Sequence[int], work: Work, size: int = 1, most: int = 100, at_once: int = 1) -> list[object]:
    """What each of these callers gets: the first `at_once` come one by one, all others while their work is under way."""

    async def ask() -> list[object]:
        gather = Gather(work, lambda _: size, most, at_once, patience=0)
        asked = []
        for place, one in enumerate(numbers):
            asked.append(asyncio.create_task(gather.do(one)))
            while len(work.pieces) < min(place + 1, at_once):
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.may.set()
        return list(await asyncio.gather(*asked, return_exceptions=True))

    with ThreadPoolExecutor(1) as pool:  # the browser's driver has a loop in this thread
        return pool.submit(asyncio.run, ask()).result(20)


def test_the_first_goes_alone_and_all_who_come_meanwhile_together() -> None:
    work = Work()
    assert served(range(20, 70), work) == [2 * one for one in range(20, 70)]
    assert work.pieces == [[20], list(range(21, 70))]


@pytest.mark.parametrize("size, most, pieces", [(1, 4, [[0], [1, 2, 3, 4], [5, 6]]), (9, 4, [[n] for n in range(7)])])
def test_a_piece_is_bounded_and_takes_at_least_one(size: int, most: int, pieces: list[list[int]]) -> None:
    work = Work()
    served(range(7), work, size, most)
    assert work.pieces == pieces


def test_no_more_is_under_way_than_allowed() -> None:
    work = Work()
    served(range(9), work, at_once=2)
    assert work.pieces[:2] == [[0], [1]]
    assert sorted(one for piece in work.pieces[2:] for one in piece) == list(range(2, 9))


def test_an_error_is_its_callers_own_and_one_of_the_work_is_everybodys() -> None:
    work = Work()
    assert [str(one) for one in served([1, 2, -3, 4], work)] == ["2", "4", "not -3", "8"]
    work = Work()
    assert [str(one) for one in served([1, 13, 2], work)] == ["2", "all of them", "all of them"]


def test_who_gave_up_meanwhile_is_left_out_and_keeps_nobody_from_being_served() -> None:
    work = Work()

    async def ask() -> list[object]:
        gather = Gather(work, lambda _: 1, 100, 1, patience=0)
        asked = [asyncio.create_task(gather.do(0))]
        while not work.pieces:
            await asyncio.sleep(0)
        asked += [asyncio.create_task(gather.do(one)) for one in range(1, 4)]
        await asyncio.sleep(0)
        asked[0].cancel(), asked[2].cancel()
        await asyncio.sleep(0)
        work.may.set()
        first = await asyncio.gather(*asked, return_exceptions=True)
        return [*first, await gather.do(9)]

    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(asyncio.run, ask()).result(20)
    assert [one for one in got if not isinstance(one, asyncio.CancelledError)] == [2, 6, 18]
    assert work.pieces == [[0], [1, 3], [9]]
