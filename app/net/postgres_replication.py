"""Replication of a PostgreSQL server: what it follows, and who follows it. PostgreSQL 15 to 18.

Source: PostgreSQL documentation, "Monitoring statistics" (pg_stat_wal_receiver, pg_stat_replication), pg_replication_slots.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from app.net.postgres import Session
from app.units import length

Grade = Literal["ok", "unknown", "warning", "critical"]
Finding = tuple[Grade, str]
STREAMING = "streaming"
STANDBY_EXPECTED_SECONDS = 7 * 86_400.0  # seconds for which a missing standby is still expected
MIB = 1 << 20

# Without rights the receiver's row is there, with nothing in it but its number. Some hosted servers refuse the functions on WAL
# positions, so they are only called where there is something to compare.
ITSELF = """
select pg_is_in_recovery() as standby, current_user as me, extract(epoch from clock_timestamp())::float8 as at,
       pg_has_role('pg_read_all_stats', 'usage') as sees_all,
       exists (select from pg_stat_wal_receiver) as receiver, (select status from pg_stat_wal_receiver) as receives,
       case when pg_is_in_recovery() and pg_has_role('pg_read_all_settings', 'usage')
            then current_setting('primary_conninfo') end as source,
       current_setting('restore_command', true) as archive,
       case when pg_is_in_recovery()
            then pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8 end as waits,
       case when pg_is_in_recovery()
            then extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 end as replayed,
       current_setting('synchronous_standby_names') as synchronous
"""

# What takes WAL without replaying it (backups, pg_receivewal) is no standby, nor is a logical subscriber.
STANDBYS = """
select r.pid::text as id, coalesce(nullif(r.application_name, ''), host(r.client_addr), 'local') as name,
       coalesce(host(r.client_addr), 'local') as address,
       r.sync_state as sync, extract(epoch from r.replay_lag)::float8 as lag,
       pg_wal_lsn_diff(r.replay_lsn, '0/0')::float8 as replayed,
       pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
                       '0/0')::float8 as written
  from pg_stat_replication r
 where (r.replay_lsn is not null or r.state is null)
   and not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')
"""

# `inactive_since` came with PostgreSQL 17. On a standby slots may rest: they wait for it to become the primary.
SLOTS = """
select s.slot_name as name, s.slot_type = 'physical' as physical, s.wal_status = 'lost' as lost,
       extract(epoch from (to_jsonb(s) ->> 'inactive_since')::timestamptz)::float8 as since,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::float8 as kept
  from pg_replication_slots s
 where not pg_is_in_recovery() and not s.temporary and (not s.active or s.wal_status = 'lost')
"""


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that follows the one asked, or did until lately."""

    name: str
    lag: float | None  # seconds; None: it is hidden from us
    synchronous: bool
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot whose standby or subscriber is not there."""

    name: str
    physical: bool
    lost: bool  # the WAL it needs is gone
    seconds: float  # since it was seen to be there last
    kept: float | None  # bytes of WAL that it keeps; None: it was never used


@dataclass(frozen=True, slots=True)
class Replication:
    """The replication state of the server asked, at one moment."""

    standby: bool
    role: str
    sees_all: bool  # may we see what belongs to others? the role pg_monitor may
    follows: bool | None  # is a standby meant to stream from a primary? None: hidden from this role
    receiving: bool  # a standby: is its primary connected
    receiver: str  # the receiver's status; empty without one
    lag: float | None  # seconds that a standby is behind, at most; of a primary that of its slowest standby
    standbys: Sequence[Standby]
    slots: Sequence[Slot]
    unsynchronised: bool  # commits wait for a standby that is not there
    memory: Mapping[str, Any]  # what the next run compares with

    @property
    def cut_off(self) -> bool:
        """Is it a standby that is disconnected from its primary?"""
        return self.standby and not self.receiving and self.follows is True

    def lags(self) -> dict[str, float]:
        """Seconds by standby, and by slot whose standby is gone."""
        known = {one.name: one.lag for one in self.standbys if one.lag is not None}
        return {**{slot.name: slot.seconds for slot in self.slots if slot.physical}, **known}

    def connected(self) -> int:
        """Standbys that are there."""
        return sum(not one.gone for one in self.standbys)


async def fetch_replication(
    database: Session, before: Mapping[str, Any], *, expect_back: bool, ignored: Sequence[str] = ()
) -> Replication | None:
    """The replication state; None where the server does not report it.

    before: the memory of the last run. expect_back: must a primary's standbys that it had then come back?
    """
    try:
        server = (await _rows(database, ITSELF))[0]
        standbys = await _rows(database, STANDBYS)
        slots = [row for row in await _rows(database, SLOTS) if row["name"] not in ignored]
    except (psycopg.ProgrammingError, psycopg.NotSupportedError):  # not quite PostgreSQL
        return None
    return parse(server, standbys, slots, before if expect_back else {**before, "seen": {}})


async def _rows(database: Session, query: str) -> list[dict[str, Any]]:
    return await (await database.cursor(row_factory=dict_row).execute(query)).fetchall()


def parse(
    server: Mapping[str, Any],
    standbys: Sequence[Mapping[str, Any]],
    slots: Sequence[Mapping[str, Any]],
    before: Mapping[str, Any],
) -> Replication:
    """What the rows of the three queries mean."""
    memory: dict[str, Any] = {"inactive": {}, "written": {}, "marked": {}, "seen": {}}
    receiving = bool(server["receiver"]) and (server["receives"] or STREAMING) == STREAMING
    standby_list = list(_standbys(server, standbys, before, memory))
    idle = [_slot(row, server["at"], before, memory) for row in slots]
    lags = [*(one.lag for one in standby_list if one.lag is not None), *(slot.seconds for slot in idle if slot.physical)]
    return Replication(
        standby=server["standby"],
        role=server["me"],
        sees_all=server["sees_all"],
        follows=_follows(server["source"], server["archive"]),
        receiving=receiving,
        receiver=server["receives"] or "",
        lag=_own_lag(server, receiving, before, memory) if server["standby"] else max(lags, default=None),
        standbys=standby_list,
        slots=idle,
        unsynchronised=bool(
            server["synchronous"]
            and server["sees_all"]
            and not server["standby"]
            and not any(one.synchronous for one in standby_list)
        ),
        memory=memory,
    )


def _follows(source: str | None, archive: str | None) -> bool | None:
    """Is a standby meant to stream? One that is fed from an archive alone is not; None when neither is to be seen."""
    if source is not None:
        return bool(source)
    return None if archive else True


def _standbys(
    server: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], before: Mapping[str, Any], memory: dict[str, Any]
) -> Iterator[Standby]:
    """Those that are connected, and those of a primary that were and have not come back."""
    names, counts = Counter(row["name"] for row in rows), Counter[str]()
    for row in rows:
        base = f"{row['name']} {row['address']}"
        counts[base] += 1
        key = base if counts[base] == 1 else f"{base} #{counts[base]}"
        if server["sees_all"] and not server["standby"]:
            memory["seen"][key] = server["at"]
        name = row["name"] if names[row["name"]] == 1 else key
        yield Standby(name, _lag_of(row, server["at"], before, memory), row["sync"] in ("sync", "quorum"))
    if server["standby"]:
        return
    for key, last in before.get("seen", {}).items():
        if key not in memory["seen"] and server["at"] - last < STANDBY_EXPECTED_SECONDS:
            memory["seen"][key] = last
            yield Standby(key, max(0.0, server["at"] - last), synchronous=False, gone=True)


def _own_lag(server: Mapping[str, Any], receiving: bool, before: Mapping[str, Any], memory: dict[str, Any]) -> float | None:
    """Seconds a standby may be behind: since it was seen in step, or since the last transaction it has, what is less."""
    if receiving and server["waits"] is not None and server["waits"] <= 0:
        memory["in_step"] = server["at"]
        return 0.0
    since = before.get("in_step")
    memory |= {"in_step": since} if since is not None else {}
    known = [server["replayed"], None if since is None else server["at"] - since]
    return min((max(0.0, one) for one in known if one is not None), default=None)


def _lag_of(row: Mapping[str, Any], at: float, before: Mapping[str, Any], memory: dict[str, Any]) -> float | None:
    """Seconds since a position in the WAL that a standby has not replayed yet.

    The server's own figure stands still while a standby replays nothing: it is only measured by what is replayed.
    """
    if row["replayed"] is None:
        return None
    mark, since = before.get("written", {}).get(row["id"]), before.get("marked", {}).get(row["id"])
    behind = mark is not None and since is not None and row["replayed"] < mark
    memory["written"][row["id"]] = mark if behind else row["written"]
    memory["marked"][row["id"]] = since if behind else at
    if row["replayed"] >= row["written"]:
        return 0.0
    return max(0.0, row["lag"] or 0.0, at - since if behind else 0.0)


def _slot(row: Mapping[str, Any], at: float, before: Mapping[str, Any], memory: dict[str, Any]) -> Slot:
    since = row["since"] if row["since"] is not None else before.get("inactive", {}).get(row["name"], at)
    memory["inactive"][row["name"]] = since
    return Slot(row["name"], row["physical"], bool(row["lost"]), max(0.0, at - since), row["kept"])


def findings(found: Replication, min_standbys: int | None) -> Iterator[Finding]:
    """What is wrong with replication, whatever the limits of its lag are; a primary must have `min_standbys`."""
    if found.cut_off:
        how = f"its WAL receiver is {found.receiver}" if found.receiver else "it has no WAL receiver"
        behind_text = "" if found.lag is None else f", {length(found.lag)} behind"
        yield "critical", f"standby disconnected from its primary ({how}){behind_text}"
    elif found.standby and not found.receiving and found.follows is None:
        yield "unknown", f'cannot see whether it should follow a primary: grant pg_monitor to "{found.role}"'
    for slot in found.slots:
        yield _of_slot(slot)
    if found.unsynchronised:
        yield "critical", "no synchronous standby is connected: commits wait for one (synchronous_standby_names)"
    if found.standby:
        return
    for one in found.standbys:
        if one.gone:
            yield "warning", f"standby {one.name} is no longer connected (for {length(one.lag or 0)}; see min_standbys)"
    if (count := found.connected()) < (min_standbys or 0):
        yield "critical", f"{count} {'standby is' if count == 1 else 'standbys are'} connected, expected {min_standbys}"


def _of_slot(slot: Slot) -> Finding:
    who = "standby" if slot.physical else "subscriber"
    if slot.lost:
        return "critical", f'replication slot "{slot.name}" is lost: its {who} must be rebuilt'
    kept = "" if slot.kept is None else f"; it keeps {slot.kept / MIB:.0f} MiB of WAL"
    return "warning", f'replication slot "{slot.name}" is inactive: its {who} is not connected{kept}'
