"""How often a password may be tried: nobody guesses one, and nobody locks somebody else out."""

import pytest

from app.web.login_limit import MANY, PACE, REMEMBERED, TRIES, WINDOW, LoginLimit

HOME, ELSEWHERE = "203.0.113.1", "198.51.100.1"


class Clock:
    """Stands still until it is set forward."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_address_may_try_ten_times_in_five_minutes(clock: Clock) -> None:
    counted = LoginLimit(clock)
    assert [counted.spent("ada", HOME) for _ in range(TRIES)] == [0.0] * TRIES
    assert counted.spent("ADA", HOME) == WINDOW
    clock.now += WINDOW
    assert counted.spent("ada", HOME) == 0.0


def test_whoever_tries_elsewhere_or_another_login_is_not_kept_waiting(clock: Clock) -> None:
    counted = LoginLimit(clock)
    for _ in range(TRIES + 5):
        counted.spent("ada", ELSEWHERE)
    assert counted.spent("ada", HOME) == 0.0
    assert counted.spent("bo", ELSEWHERE) == 0.0


def test_from_one_network_of_ipv6_many_addresses_are_one(clock: Clock) -> None:
    counted = LoginLimit(clock)
    assert [counted.spent("ada", f"2001:db8::{n:x}") > 0 for n in range(TRIES + 1)] == [False] * TRIES + [True]


def test_a_login_that_all_the_world_tries_is_slowed_down_not_closed(clock: Clock) -> None:
    counted = LoginLimit(clock)
    for n in range(MANY):
        assert counted.spent("ada", f"198.51.{n}.1") == 0.0
    assert counted.spent("ada", HOME) == PACE
    clock.now += PACE
    assert counted.spent("ada", HOME) == 0.0
    assert counted.spent("bo", HOME) == 0.0


def test_a_known_device_passes_and_counts_for_itself(clock: Clock) -> None:
    counted = LoginLimit(clock)
    for n in range(MANY):
        counted.spent("ada", f"198.51.{n}.1")
    for _ in range(TRIES):
        counted.spent("ada", HOME)
    assert [counted.spent("ada", HOME, "device") for _ in range(TRIES)] == [0.0] * TRIES
    assert counted.spent("ada", HOME, "device") > 0
    counted.reset("ada", HOME, "device")
    assert counted.spent("ada", HOME, "device") == 0.0


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    counted = LoginLimit(clock)
    for n in range(REMEMBERED + 500):
        counted.spent("x" * 5000 if n % 2 else f"{n}{'y' * 5000}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(counted._tries) <= REMEMBERED
    assert len(counted._everywhere) <= REMEMBERED
    assert all(len(word) <= 128 for key in counted._tries for word in key)
