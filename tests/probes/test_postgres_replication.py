"""health.postgres and performance.postgres on a primary and its standby: in step, cut off, paused, gone."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from app import plugins
from app.checks.probe import Reading
from app.net.postgres_replication import findings, parse
from tests.probes.run import Options, measure
from tests.probes.servers.replicated import MAJORS, Node, Pair, replicated
from tests.stack import until

pytestmark = pytest.mark.xdist_group("postgres_replication")
HEALTH, PERFORMANCE = "health.postgres", "performance.postgres"
BOTH = pytest.mark.parametrize("name", [HEALTH, PERFORMANCE])
EVERY_MAJOR = pytest.mark.parametrize("major", MAJORS)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Of the newest version, without a slot; a test that stops one of them starts it again."""
    with replicated(MAJORS[-1]) as found:
        yield found


def seen(name: str, node: Node, who: str = "monitor", after: Reading | None = None, **with_: Any) -> Reading:
    return measure(name, url=node.url(who), memory=dict(after.memory or {}) if after else {}, **with_)


def is_critical(name: str, node: Node) -> bool:
    return seen(name, node).status == "critical"


@EVERY_MAJOR
def test_a_standby_cut_off_is_critical_and_late_and_its_primary_tells_of_it(major: int) -> None:
    with replicated(major, slot="second") as pair:
        calm = {name: (seen(name, pair.primary), seen(name, pair.standby)) for name in (HEALTH, PERFORMANCE)}
        for of_primary, of_standby in calm.values():
            assert (of_primary.status, of_standby.status) == ("ok", "ok"), (of_primary.message, of_standby.message)
        assert calm[HEALTH][0].metrics["standbys"] == calm[HEALTH][1].metrics["receiving"] == 1
        assert calm[PERFORMANCE][1].metrics["lag_seconds"] == 0

        pair.standby.stop()
        until(lambda: pair.primary.ask("select count(*) from pg_stat_replication") == 0)
        for name in (HEALTH, PERFORMANCE):
            alone = seen(name, pair.primary, warning_lag="0s") if name == PERFORMANCE else seen(name, pair.primary)
            assert alone.status == "warning", alone.message
            assert 'replication slot "second" is inactive: its standby is not connected; it keeps' in alone.message
            again = seen(name, pair.primary, after=calm[name][0], ignore_slots=["second"])
            assert (again.status, "is no longer connected" in again.message) == ("warning", True), again.message
            few = seen(name, pair.primary, min_standbys=1)
            assert (few.status, "0 standbys are connected, expected 1" in few.message) == ("critical", True)
            assert seen(name, pair.primary, min_standbys=0, ignore_slots=["second"]).status == "ok"

        pair.standby.start()
        pair.primary.ask("insert into t values (1)")
        until(pair.in_step)
        pair.primary.stop()
        for name in (HEALTH, PERFORMANCE):
            until(partial(is_critical, name, pair.standby))
            cut = seen(name, pair.standby, after=calm[name][1])
            assert "standby disconnected from its primary" in cut.message
        assert cut.metrics["lag_seconds"] > 0
        first = seen(PERFORMANCE, pair.standby)
        assert seen(PERFORMANCE, pair.standby).metrics["lag_seconds"] > first.metrics["lag_seconds"] > 0


def test_a_standby_that_was_started_without_its_primary_is_critical(pair: Pair) -> None:
    pair.standby.stop()
    pair.primary.stop()
    pair.standby.start()  # it has replayed no transaction yet, so it cannot tell how late it is
    try:
        for name in (HEALTH, PERFORMANCE):
            reading = seen(name, pair.standby)
            assert (reading.status, "disconnected from its primary" in reading.message) == ("critical", True), reading.message
    finally:
        pair.primary.start()
        until(pair.in_step)


@BOTH
def test_a_role_without_rights_is_told_of_a_standby_cut_off_too(name: str, pair: Pair) -> None:
    assert seen(name, pair.standby, "watch").status == "ok"
    pair.primary.stop()
    try:
        until(lambda: seen(name, pair.standby, "watch").status == "critical")
    finally:
        pair.primary.start()
        until(pair.in_step)


@BOTH
def test_a_standby_fed_from_an_archive_alone_is_not_cut_off(name: str, pair: Pair) -> None:
    def again(**options: str) -> None:
        pair.standby.stop()
        pair.standby.start(**options)

    source = pair.standby.ask("show primary_conninfo")
    again(primary_conninfo="", restore_command="false")
    try:
        assert "cut off" not in seen(name, pair.standby).message
        hidden = seen(name, pair.standby, "watch")
        assert (hidden.status, "grant pg_monitor" in hidden.message) == ("unknown", True), hidden.message
    finally:
        again(primary_conninfo=source, restore_command="")
        until(pair.in_step)


def test_a_standby_that_replays_nothing_is_late_on_both_sides(pair: Pair) -> None:
    calm = seen(PERFORMANCE, pair.primary), seen(PERFORMANCE, pair.standby)
    pair.standby.ask("select pg_wal_replay_pause()")
    until(lambda: pair.standby.ask("select pg_get_wal_replay_pause_state()") == "paused")
    try:
        pair.primary.ask("insert into t values (1)")
        until(lambda: pair.standby.ask("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"))
        first = seen(PERFORMANCE, pair.primary, after=calm[0])
        second = seen(PERFORMANCE, pair.primary, after=first, warning_lag="1ms", critical_lag="1h")
        assert (second.status, "replication lag" in second.message) == ("warning", True), second.message
        assert [one.labels for one in second.series] == [{"standby": "walreceiver"}]
        late = seen(PERFORMANCE, pair.standby, after=calm[1], warning_lag="1ms", critical_lag="1h")
        assert (late.status, late.metrics["lag_seconds"] > 0) == ("warning", True), late.message
    finally:
        pair.standby.ask("select pg_wal_replay_resume()")
        until(pair.in_step)
    assert seen(PERFORMANCE, pair.primary, after=second).metrics["lag_seconds"] == 0


def test_commits_that_wait_for_a_standby_that_is_gone_are_critical() -> None:
    with replicated(MAJORS[-1]) as pair:
        pair.primary.ask("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
        until(lambda: pair.primary.ask("select count(*) from pg_stat_replication where sync_state = 'sync'") == 1)
        assert seen(HEALTH, pair.primary).status == "ok"
        pair.standby.stop()
        until(lambda: pair.primary.ask("select count(*) from pg_stat_replication") == 0)
        for name in (HEALTH, PERFORMANCE):
            reading = seen(name, pair.primary)
            assert (reading.status, "no synchronous standby is connected" in reading.message) == ("critical", True)
        pair.primary.ask("alter system reset synchronous_standby_names", "select pg_reload_conf()")


ME: dict[str, Any] = {
    "standby": False, "me": "watch", "at": 1_000_000.0, "sees_all": True, "receiver": False, "receives": None, "source": None,
    "archive": "", "waits": None, "replayed": None, "synchronous": "",
}  # fmt: skip
FOLLOWS = {**ME, "standby": True, "source": "host=a", "receiver": True, "receives": "streaming", "waits": 0.0}
ROW = {"id": "7", "name": "b", "address": "10.0.0.2", "sync": "async", "lag": None, "replayed": 50.0, "written": 50.0}


@pytest.mark.parametrize(
    "me, before, lag, grades",
    [
        pytest.param({}, {}, 0, [], id="in step"),
        pytest.param({"waits": 9.0, "replayed": 3600.0}, {"in_step": 999_990.0}, 10, [], id="since it was seen in step"),
        pytest.param({"waits": 9.0, "replayed": 3.0}, {"in_step": 999_990.0}, 3, [], id="since its last transaction"),
        pytest.param({"waits": 9.0, "replayed": 3600.0}, {}, 3600, [], id="its first look"),
        pytest.param({"receives": "starting"}, {"in_step": 999_900.0}, 100, ["critical"], id="a receiver that does not stream"),
        pytest.param({"receives": "waiting", "replayed": 5.0}, {}, 5, ["critical"], id="a receiver that waits"),
        pytest.param({"receiver": False, "receives": None}, {}, None, ["critical"], id="no receiver, nothing replayed"),
        pytest.param({"receiver": False, "receives": None, "source": ""}, {}, None, [], id="not meant to stream"),
        pytest.param({"receives": None, "source": None}, {}, 0, [], id="a receiver whose status is hidden"),
        pytest.param(
            {"receiver": False, "receives": None, "source": None, "archive": "cp"}, {}, None, ["unknown"], id="all is hidden"
        ),
        pytest.param({"waits": None, "replayed": -4.0}, {}, 0, [], id="its clock is behind its primary's"),
    ],
)
def test_how_late_a_standby_is(me: dict[str, Any], before: dict[str, Any], lag: float | None, grades: list[str]) -> None:
    found = parse(FOLLOWS | me, [], [], before)
    assert found.lag == lag
    assert [grade for grade, _ in findings(found, 3)] == grades  # a standby needs no standbys of its own


@pytest.mark.parametrize(
    "row, before, lag",
    [
        pytest.param({}, {}, 0, id="in step"),
        pytest.param({"lag": 9.0}, {}, 0, id="in step, with a figure of the past"),
        pytest.param({"replayed": 40.0, "lag": 9.0}, {}, 9, id="as the server measured it"),
        pytest.param({"replayed": 40.0}, {}, 0, id="late since we do not know when"),
        pytest.param({"replayed": 40.0}, {"written": {"7": 45.0}, "marked": {"7": 999_970.0}}, 30, id="since our last look"),
        pytest.param({"replayed": 46.0}, {"written": {"7": 45.0}, "marked": {"7": 999_970.0}}, 0, id="it moves on"),
        pytest.param({"replayed": None, "written": None}, {}, None, id="hidden"),
    ],
)
def test_how_late_a_primary_holds_a_standby_to_be(row: dict[str, Any], before: dict[str, Any], lag: float | None) -> None:
    assert parse(ME, [ROW | row], [], before).lag == lag


def test_a_standby_that_is_gone_is_missed_for_a_week_and_twins_are_told_apart() -> None:
    first = parse(ME, [ROW, ROW | {"id": "8"}], [], {})
    assert list(first.lags()) == ["b 10.0.0.2", "b 10.0.0.2 #2"]
    one = parse({**ME, "at": ME["at"] + 60}, [ROW], [], first.memory)
    assert list(findings(one, None)) == [
        ("warning", "standby b 10.0.0.2 #2 is no longer connected (for 1 min; see min_standbys)")
    ]
    assert (one.lag, one.connected()) == (60, 1)
    assert list(findings(one, 2))[-1] == ("critical", "1 standby is connected, expected 2")
    none = parse({**ME, "at": ME["at"] + 8 * 86_400}, [ROW], [], one.memory)
    assert list(findings(none, None)) == []
    assert parse(ME, [ROW, ROW | {"id": "8"}], [], one.memory).lag == 0


def test_limits_that_judge_what_is_hidden_are_unknown(pair: Pair) -> None:
    performance = plugins.probe_module(PERFORMANCE)
    assert performance.Target.model_fields["min_standbys"].default is None
    hidden = seen(PERFORMANCE, pair.primary, "watch")
    assert (hidden.status, 'grant pg_monitor to "watch"' in hidden.message) == ("ok", True)
    for limit in ("warning_transaction", "critical_transaction", "warning_lag", "critical_lag"):
        judged: Options = {limit: "20m"}
        blind = seen(PERFORMANCE, pair.primary, "watch", **judged)
        assert (blind.status, 'grant pg_monitor to "watch"' in blind.message) == ("unknown", True), limit
    assert seen(PERFORMANCE, pair.primary, warning_lag="20s").status == "ok"
