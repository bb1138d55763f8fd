"""Checks: accepted baselines, runs on demand in batches, excused results, roll-ups, expected ranges of learning rules."""

from alembic import op

revision = "0002"
down_revision = "0001"

SQL = """
CREATE TABLE check_baseline (
  check_name TEXT NOT NULL,
  accepted JSON NOT NULL,
  accepted_at TIMESTAMP WITH TIME ZONE NOT NULL,
  accepted_by TEXT,
  observed JSON NOT NULL,
  observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT check_baseline_pkey PRIMARY KEY (check_name)
);

ALTER TABLE check_run ADD COLUMN batch TEXT;
UPDATE check_run SET batch = task_id;
ALTER TABLE check_run ALTER COLUMN batch SET NOT NULL;
ALTER TABLE check_run ADD COLUMN spec TEXT;
CREATE INDEX check_run_batch_idx ON check_run (batch);

ALTER TABLE check_result ADD COLUMN excused BOOLEAN DEFAULT false NOT NULL;

ALTER TABLE check_state ADD COLUMN unreachable TEXT;

CREATE TABLE prober (
  location TEXT NOT NULL,
  offline_since TIMESTAMP WITH TIME ZONE NOT NULL,
  answers JSON NOT NULL,
  CONSTRAINT prober_pkey PRIMARY KEY (location)
);

CREATE TABLE rollup_5m (
  check_name TEXT NOT NULL,
  metric TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  labels JSONB NOT NULL,
  count INTEGER NOT NULL,
  low FLOAT NOT NULL,
  high FLOAT NOT NULL,
  total FLOAT NOT NULL
) PARTITION BY RANGE (at);

CREATE INDEX rollup_5m_check_name_metric_at_idx ON rollup_5m (check_name, metric, at);

CREATE TABLE rollup_5m_rest PARTITION OF rollup_5m DEFAULT;

CREATE TABLE rollup_1h (
  check_name TEXT NOT NULL,
  metric TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  labels JSONB NOT NULL,
  count INTEGER NOT NULL,
  low FLOAT NOT NULL,
  high FLOAT NOT NULL,
  total FLOAT NOT NULL
);

CREATE INDEX rollup_1h_check_name_metric_at_idx ON rollup_1h (check_name, metric, at);

CREATE TABLE rollup_mark (
  name TEXT NOT NULL,
  until TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT rollup_mark_pkey PRIMARY KEY (name)
);

CREATE TABLE band (
  rule TEXT NOT NULL,
  series TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  low FLOAT NOT NULL,
  expected FLOAT NOT NULL,
  high FLOAT NOT NULL
) PARTITION BY RANGE (at);

CREATE INDEX band_rule_series_at_idx ON band (rule, series, at);

CREATE TABLE band_rest PARTITION OF band DEFAULT;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(SQL)
