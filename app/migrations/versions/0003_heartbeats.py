"""Heartbeats: their state and pings."""

from alembic import op

revision = "0003"
down_revision = "0002"

SQL = """
CREATE TABLE heartbeat (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  name TEXT NOT NULL,
  uuid UUID NOT NULL,
  slug TEXT NOT NULL,
  origin TEXT NOT NULL,
  spec JSONB NOT NULL,
  zone TEXT NOT NULL,
  state TEXT DEFAULT 'new' NOT NULL,
  cause TEXT DEFAULT '' NOT NULL,
  because TEXT DEFAULT '' NOT NULL,
  since TIMESTAMP WITH TIME ZONE,
  counts_from TIMESTAMP WITH TIME ZONE,
  last_ping TIMESTAMP WITH TIME ZONE,
  last_start TIMESTAMP WITH TIME ZONE,
  runs JSONB DEFAULT '[]' NOT NULL,
  run_seconds FLOAT,
  expected_at TIMESTAMP WITH TIME ZONE,
  due_at TIMESTAMP WITH TIME ZONE,
  look_at TIMESTAMP WITH TIME ZONE,
  pings BIGINT DEFAULT 0 NOT NULL,
  judged BIGINT DEFAULT 0 NOT NULL,
  pinged_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  removed_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT heartbeat_pkey PRIMARY KEY (id),
  CONSTRAINT heartbeat_name_key UNIQUE (name),
  CONSTRAINT heartbeat_uuid_key UNIQUE (uuid),
  CONSTRAINT heartbeat_state_check CHECK (state in ('new', 'up', 'down', 'paused')),
  CONSTRAINT heartbeat_cause_check CHECK (cause in ('', 'silent', 'overrun', 'failed')),
  CONSTRAINT heartbeat_origin_check CHECK (origin in ('config', 'ping'))
);

CREATE INDEX heartbeat_look_idx ON heartbeat (look_at) WHERE look_at is not null;

CREATE INDEX heartbeat_slug_idx ON heartbeat (slug);

CREATE TABLE heartbeat_ping (
  heartbeat BIGINT NOT NULL,
  n BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  kind TEXT NOT NULL,
  exit_status INTEGER,
  rid TEXT,
  seconds FLOAT,
  method TEXT NOT NULL,
  remote TEXT NOT NULL,
  agent TEXT NOT NULL,
  body BYTEA NOT NULL,
  CONSTRAINT heartbeat_ping_pkey PRIMARY KEY (heartbeat, n),
  CONSTRAINT heartbeat_ping_kind_check CHECK (kind in ('success', 'start', 'fail', 'log'))
);

-- What was declared before heartbeats were active: the configuration in force is not applied again unless it changes.
INSERT INTO heartbeat (name, uuid, slug, origin, spec, zone, created_at)
SELECT name, gen_random_uuid(), trim(both '-' from regexp_replace(lower(name), '[^a-z0-9_-]+', '-', 'g')), 'config', spec::jsonb,
  coalesce(spec->>'timezone', (SELECT spec->>'timezone' FROM declaration WHERE kind = 'defaults' LIMIT 1), 'UTC'), now()
FROM declaration WHERE kind = 'heartbeat';
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("DROP TABLE heartbeat_ping; DROP TABLE heartbeat")
