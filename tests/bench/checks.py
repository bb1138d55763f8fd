"""What a check costs beside its probe: claimed, run, stored, evaluated by its own alert, every fourth by a threshold too."""

from collections.abc import Iterator

from tests.bench.figure import Figure
from tests.bench.meter import metered
from tests.bench.stage import declare, stage

CHECKS, ROUNDS, WARM_UP, BATCH = 2000, 5, 1, 200


def measure() -> Iterator[Figure]:
    """CPU microseconds a check: all, and by stage."""
    with stage() as postgres:
        rounds = _rounds(postgres)
    totals = [sum(ours + server for ours, server in of_one.values()) for of_one in rounds]
    share = sum(server for of_one in rounds for _, server in of_one.values()) / sum(totals)
    yield Figure(
        "a check, in addition to its probe", totals, "µs CPU", most=True, aim=1000, beside=f"of which PostgreSQL {share:.0%}"
    )
    for stage_ in rounds[0]:
        pairs = [of_one[stage_] for of_one in rounds]
        ours, server = (sorted(column)[len(pairs) // 2] for column in zip(*pairs, strict=True))
        beside = f"Tocsin {ours:.0f} µs, PostgreSQL {server:.0f} µs"
        yield Figure(stage_, [sum(pair) for pair in pairs], "µs CPU", beside=beside)


def _rounds(postgres: int) -> list[dict[str, tuple[float, float]]]:
    from app import line, measure
    from app.db import transaction

    declare(CHECKS, rules=CHECKS // 4)
    names = [f"c{number:05}" for number in range(CHECKS)]
    stages = {
        "claim": lambda: line.dispatch(["health"]),
        "run and store": lambda: [measure.check(names[start : start + BATCH]) for start in range(0, CHECKS, BATCH)],
        "evaluate": _evaluate,
    }
    rounds = []
    for _ in range(ROUNDS + WARM_UP):
        with transaction() as db:
            db.exec_driver_sql("update check_state set next_due_at = now(), lease_until = null")
        spent: dict[str, tuple[float, float]] = {}
        for name, work in stages.items():
            with metered(ours=[0], postgres=[postgres]) as meter:
                work()
            ours, server = (meter.cpu[part] / CHECKS * 1e6 for part in ("ours", "postgres"))
            spent[name] = (ours, server)
        rounds.append(spent)
    return rounds[WARM_UP:]


def _evaluate() -> None:
    from app import line

    while line.evaluate():
        pass
