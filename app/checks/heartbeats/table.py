"""How each heartbeat stands, and the pings it had: a row a ping, the newest hundred kept."""

from sqlalchemy import BigInteger, Column, Float, Identity, Index, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from app.checks.heartbeats.model import Cause, HeartbeatState, Kind
from app.db import instant, metadata, one_of

# A row is never deleted: the ping address of a name is the same for ever, also when it is removed and comes back.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("uuid", Uuid, nullable=False, unique=True),
    Column("slug", Text, nullable=False),
    Column("origin", Text, nullable=False),  # config, or ping: made by `?create=1`
    Column("spec", JSONB, nullable=False),
    Column("zone", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="new"),
    Column("cause", Text, nullable=False, server_default=""),
    Column("reasons", JSONB, nullable=False, server_default="[]"),
    instant("since"),
    instant("paused_at"),
    instant("paused_until"),  # null: until it is resumed or pinged
    Column("pause_reason", Text),
    Column("paused_by", Text),
    instant("counts_from"),
    instant("last_ping"),
    instant("last_start"),
    Column("runs", JSONB, nullable=False, server_default="[]"),
    Column("run_seconds", Float),
    instant("expected_at"),
    instant("due_at"),  # when silence becomes its alert
    instant("look_at"),  # when somebody has to look: it is due, or there are pings nobody has judged; null: neither
    Column("pings", BigInteger, nullable=False, server_default=text("0")),
    Column("judged", BigInteger, nullable=False, server_default=text("0")),  # number of the last ping taken into account
    instant("pinged_at"),
    instant("created_at", required=True),
    instant("removed_at"),
    Index(None, "slug"),
    Index("heartbeat_look_idx", "look_at", postgresql_where=text("look_at is not null")),
    one_of("state", HeartbeatState),
    one_of("cause", Cause),
    one_of("origin", ("config", "ping")),
)

heartbeat_ping = Table(
    "heartbeat_ping",
    metadata,
    Column("heartbeat", BigInteger, primary_key=True),
    Column("n", BigInteger, primary_key=True),
    instant("at", required=True),
    Column("kind", Text, nullable=False),
    Column("exit_status", Integer),
    Column("rid", Text),
    Column("seconds", Float),  # how long the run took that this ping ended
    Column("method", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    one_of("kind", Kind),
)
