"""What a check costs beside its probe: claim, run, store, evaluate; and how many series a core evaluates in a second."""

from collections.abc import Iterator

from tests.bench.meter import metered
from tests.bench.stage import declare

CHECKS, ROUNDS, BATCH = 2000, 3, 200
SERIES = 10_000


def cost_of_a_check(postgres: int) -> Iterator[tuple[str, float]]:
    """CPU microseconds a check, by stage: of this process, and of PostgreSQL beside it."""
    from app import line, measure
    from app.db import transaction

    declare(CHECKS, rules=CHECKS // 4)
    names = [f"c{n:05}" for n in range(CHECKS)]
    spent: dict[str, float] = {}
    for number in range(ROUNDS + 1):
        stages = {"claim": lambda: line.dispatch(["health"]), "run and store": lambda: _run(names), "evaluate": lambda: _evaluate()}
        with transaction() as db:
            db.exec_driver_sql("update check_state set next_due_at = now(), lease_until = null")
        for stage, work in stages.items():
            with metered(ours=[0], postgres=[postgres]) as meter:
                work()
            if number:  # the first round warms up
                for part, seconds in meter.cpu.items():
                    key = f"{stage}, {part}"
                    spent[key] = spent.get(key, 0.0) + seconds
    del measure
    yield from ((key, seconds / ROUNDS / CHECKS * 1e6) for key, seconds in spent.items())


def _run(names: list[str]) -> None:
    from app import measure

    for start in range(0, len(names), BATCH):
        measure.check(names[start : start + BATCH])


def _evaluate() -> None:
    from app import line

    while line.evaluate().seen:
        pass


if __name__ == "__main__":
    from tests.bench.stage import stage

    with stage() as postgres:
        total = 0.0
        for name, micros in cost_of_a_check(postgres):
            total += micros
            print(f"{name:30} {micros:8.1f} us")
        print(f"{'total':30} {total:8.1f} us")
