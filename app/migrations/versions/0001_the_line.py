"""Initial schema: declarations, people, signals, checks, alerts, incidents, escalations, pages."""

from alembic import op

revision = "0001"
down_revision = None

SQL = """
CREATE TABLE alert (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  fingerprint TEXT NOT NULL,
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  alertname TEXT NOT NULL,
  state TEXT NOT NULL,
  severity TEXT NOT NULL,
  summary TEXT NOT NULL,
  service TEXT,
  labels JSONB NOT NULL,
  annotations JSONB NOT NULL,
  links JSONB NOT NULL,
  runbook TEXT,
  value FLOAT,
  because TEXT DEFAULT '' NOT NULL,
  shadow BOOLEAN DEFAULT false NOT NULL,
  trace TEXT DEFAULT '' NOT NULL,
  starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ends_at TIMESTAMP WITH TIME ZONE,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  suppressed_by JSONB DEFAULT '[]' NOT NULL,
  incident BIGINT,
  dedup_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT alert_pkey PRIMARY KEY (id),
  CONSTRAINT alert_state_check CHECK (state in ('pending', 'firing', 'suppressed', 'resolved')),
  CONSTRAINT alert_severity_check CHECK (severity in ('critical', 'error', 'warning', 'info'))
);

CREATE INDEX alert_dedup_idx ON alert (dedup_at) WHERE dedup_at is not null;

CREATE INDEX alert_incident_idx ON alert (incident);

CREATE INDEX alert_labels_idx ON alert USING gin (labels jsonb_path_ops);

CREATE INDEX alert_open_idx ON alert (id) WHERE state <> 'resolved';

CREATE UNIQUE INDEX alert_open_key ON alert (fingerprint) WHERE state <> 'resolved';

CREATE INDEX alert_source_idx ON alert (source) WHERE state <> 'resolved';

CREATE TABLE audit (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  actor TEXT,
  via TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail JSON NOT NULL,
  CONSTRAINT audit_pkey PRIMARY KEY (id)
);

CREATE INDEX audit_object_id_idx ON audit (object, id);

CREATE TABLE check_result (
  check_name TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  status TEXT NOT NULL,
  message TEXT NOT NULL,
  seconds FLOAT NOT NULL,
  metrics JSON NOT NULL,
  CONSTRAINT check_result_pkey PRIMARY KEY (check_name, at),
  CONSTRAINT check_result_status_check CHECK (status in ('ok', 'warning', 'critical', 'unknown'))
)
 PARTITION BY range (at);

CREATE TABLE check_run (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  check_name TEXT NOT NULL,
  asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
  asked_by TEXT,
  task_id TEXT NOT NULL,
  done_at TIMESTAMP WITH TIME ZONE,
  result JSON,
  CONSTRAINT check_run_pkey PRIMARY KEY (id)
);

CREATE INDEX check_run_asked_at_idx ON check_run (asked_at);

CREATE TABLE check_state (
  name TEXT NOT NULL,
  probe TEXT NOT NULL,
  family TEXT NOT NULL,
  queue TEXT NOT NULL,
  every INTEGER NOT NULL,
  paused BOOLEAN DEFAULT false NOT NULL,
  next_due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  evaluate_at TIMESTAMP WITH TIME ZONE,
  status TEXT,
  message TEXT DEFAULT '' NOT NULL,
  metrics JSON DEFAULT '{}' NOT NULL,
  seconds FLOAT,
  memory JSON DEFAULT '{}' NOT NULL,
  at TIMESTAMP WITH TIME ZONE,
  evaluated_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT check_state_pkey PRIMARY KEY (name),
  CONSTRAINT check_state_status_check CHECK (status in ('ok', 'warning', 'critical', 'unknown'))
);

CREATE INDEX check_state_due_idx ON check_state (family, next_due_at) WHERE not paused;

CREATE INDEX check_state_evaluate_idx ON check_state (evaluate_at) WHERE evaluate_at is not null;

CREATE TABLE config_version (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  applied_at TIMESTAMP WITH TIME ZONE NOT NULL,
  applied_by TEXT NOT NULL,
  digest TEXT NOT NULL,
  files JSON NOT NULL,
  changes JSON NOT NULL,
  in_force BOOLEAN DEFAULT true NOT NULL,
  CONSTRAINT config_version_pkey PRIMARY KEY (id)
);

CREATE TABLE declaration (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  spec JSON NOT NULL,
  origin TEXT DEFAULT '' NOT NULL,
  CONSTRAINT declaration_pkey PRIMARY KEY (kind, name),
  CONSTRAINT declaration_kind_position_key UNIQUE (kind, position)
);

CREATE TABLE escalation (
  incident BIGSERIAL NOT NULL,
  generation INTEGER NOT NULL,
  round INTEGER NOT NULL,
  step INTEGER NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  due TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  CONSTRAINT escalation_pkey PRIMARY KEY (incident),
  CONSTRAINT escalation_state_check CHECK (state in ('running', 'exhausted', 'stopped')),
  CONSTRAINT escalation_due_check CHECK (due in ('step', 'again'))
);

CREATE INDEX escalation_due_idx ON escalation (due_at) WHERE due_at is not null;

CREATE TABLE incident (
  number BIGINT GENERATED ALWAYS AS IDENTITY,
  group_key TEXT NOT NULL,
  title TEXT NOT NULL,
  state TEXT DEFAULT 'triggered' NOT NULL,
  severity TEXT NOT NULL,
  urgency TEXT NOT NULL,
  service TEXT,
  team TEXT,
  policy_name TEXT,
  policy JSON,
  labels JSON NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  acknowledged_by TEXT,
  resolved_at TIMESTAMP WITH TIME ZONE,
  resolved_by TEXT,
  snoozed_until TIMESTAMP WITH TIME ZONE,
  merged_into BIGINT,
  assigned_to TEXT,
  alert_count INTEGER DEFAULT 0 NOT NULL,
  runbook TEXT,
  links JSON DEFAULT '[]' NOT NULL,
  generation INTEGER DEFAULT 1 NOT NULL,
  resolve_at TIMESTAMP WITH TIME ZONE,
  reopen INTEGER DEFAULT 0 NOT NULL,
  resolve_after INTEGER DEFAULT 0 NOT NULL,
  "window" INTEGER DEFAULT 600 NOT NULL,
  reopened_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT incident_pkey PRIMARY KEY (number),
  CONSTRAINT incident_state_check CHECK (state in ('triggered', 'acknowledged', 'resolved')),
  CONSTRAINT incident_severity_check CHECK (severity in ('critical', 'error', 'warning', 'info')),
  CONSTRAINT incident_urgency_check CHECK (urgency in ('high', 'low'))
);

CREATE INDEX incident_group_idx ON incident (group_key, resolved_at);

CREATE INDEX incident_merged_idx ON incident (merged_into) WHERE merged_into is not null;

CREATE INDEX incident_open_idx ON incident (number) WHERE state <> 'resolved';

CREATE UNIQUE INDEX incident_open_key ON incident (group_key) WHERE state <> 'resolved';

CREATE INDEX incident_resolve_idx ON incident (resolve_at) WHERE resolve_at is not null;

CREATE TABLE incident_event (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  incident BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT,
  text TEXT NOT NULL,
  detail JSON DEFAULT '{}' NOT NULL,
  CONSTRAINT incident_event_pkey PRIMARY KEY (id)
);

CREATE INDEX incident_event_incident_id_idx ON incident_event (incident, id);

CREATE TABLE integration (
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  service TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  created_by TEXT,
  removed_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT integration_pkey PRIMARY KEY (name)
);

CREATE TABLE integration_key (
  key_digest TEXT NOT NULL,
  integration TEXT NOT NULL,
  sealed TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT integration_key_pkey PRIMARY KEY (key_digest)
);

CREATE INDEX integration_key_integration_idx ON integration_key (integration);

CREATE TABLE invitation (
  secret_digest TEXT NOT NULL,
  login TEXT NOT NULL,
  made_by TEXT,
  made_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT invitation_pkey PRIMARY KEY (secret_digest)
);

CREATE TABLE obligation (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  incident BIGINT NOT NULL,
  generation INTEGER NOT NULL,
  round INTEGER NOT NULL,
  step INTEGER,
  target TEXT NOT NULL,
  user_name TEXT,
  state TEXT DEFAULT 'open' NOT NULL,
  made_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  reason TEXT DEFAULT '' NOT NULL,
  CONSTRAINT obligation_pkey PRIMARY KEY (id),
  CONSTRAINT obligation_state_check CHECK (state in ('open', 'met', 'fallback', 'excused', 'breached'))
);

CREATE INDEX obligation_incident_idx ON obligation (incident);

CREATE INDEX obligation_open_idx ON obligation (made_at) WHERE state = 'open';

CREATE TABLE override (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  schedule TEXT NOT NULL,
  user_name TEXT NOT NULL,
  starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
  kind TEXT NOT NULL,
  replaces TEXT,
  reason TEXT DEFAULT '' NOT NULL,
  made_at TIMESTAMP WITH TIME ZONE NOT NULL,
  made_by TEXT,
  removed_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT override_pkey PRIMARY KEY (id),
  CONSTRAINT override_kind_check CHECK (kind in ('override', 'swap')),
  CONSTRAINT override_replaces_check CHECK ((kind = 'swap') = (replaces is not null)),
  CONSTRAINT override_forwards_check CHECK (ends_at > starts_at)
);

CREATE INDEX override_in_force_idx ON override (schedule, ends_at) WHERE removed_at is null;

CREATE TABLE page (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  incident BIGINT,
  obligation BIGINT,
  generation INTEGER NOT NULL,
  round INTEGER NOT NULL,
  step INTEGER,
  user_name TEXT,
  contact TEXT,
  channel TEXT NOT NULL,
  "to" TEXT,
  state TEXT DEFAULT 'queued' NOT NULL,
  reason TEXT NOT NULL,
  made_at TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  next_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  fence INTEGER DEFAULT 0 NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  seen_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT page_pkey PRIMARY KEY (id),
  CONSTRAINT page_kind_check CHECK (kind in ('page', 'update', 'resolved', 'test')),
  CONSTRAINT page_state_check CHECK (state in ('queued', 'sending', 'accepted', 'delivered', 'failed', 'superseded', 'expired')),
  CONSTRAINT page_key_key UNIQUE (key)
);

CREATE INDEX page_due_idx ON page (next_at) WHERE state = 'queued';

CREATE INDEX page_incident_idx ON page (incident);

CREATE INDEX page_lease_idx ON page (lease_until) WHERE state = 'sending';

CREATE INDEX page_obligation_idx ON page (obligation);

CREATE INDEX page_user_idx ON page (user_name, id);

CREATE TABLE page_attempt (
  page BIGINT NOT NULL,
  n INTEGER NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  outcome TEXT DEFAULT 'unknown' NOT NULL,
  provider_id TEXT,
  error TEXT,
  ended_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT page_attempt_page_n_key UNIQUE (page, n),
  CONSTRAINT page_attempt_outcome_check CHECK (outcome in ('unknown', 'accepted', 'transient', 'permanent'))
);

CREATE TABLE person (
  login TEXT NOT NULL,
  spec JSON NOT NULL,
  declared BOOLEAN NOT NULL,
  active BOOLEAN DEFAULT true NOT NULL,
  password_hash TEXT,
  session_epoch INTEGER DEFAULT 0 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT person_pkey PRIMARY KEY (login)
);

CREATE TABLE process_beat (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  detail JSON DEFAULT '{}' NOT NULL,
  CONSTRAINT process_beat_pkey PRIMARY KEY (kind, name)
);

CREATE TABLE sample (
  check_name TEXT NOT NULL,
  metric TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  value FLOAT NOT NULL,
  labels JSONB DEFAULT '{}' NOT NULL
)
 PARTITION BY range (at);

CREATE INDEX sample_check_name_metric_at_idx ON sample (check_name, metric, at);

CREATE TABLE signal (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  source TEXT NOT NULL,
  event_id TEXT,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  trace TEXT NOT NULL,
  events INTEGER NOT NULL,
  payload JSONB NOT NULL,
  problem TEXT,
  CONSTRAINT signal_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX signal_event_key ON signal (source, event_id) WHERE event_id is not null;

CREATE INDEX signal_problem_idx ON signal (id) WHERE problem is not null;

CREATE INDEX signal_received_at_idx ON signal (received_at);

CREATE TABLE standing (
  rule TEXT NOT NULL,
  series TEXT NOT NULL,
  check_name TEXT NOT NULL,
  state TEXT NOT NULL,
  firing BOOLEAN NOT NULL,
  bad_since TIMESTAMP WITH TIME ZONE,
  known_at TIMESTAMP WITH TIME ZONE,
  memory JSON NOT NULL,
  value FLOAT,
  because TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT standing_pkey PRIMARY KEY (rule, series),
  CONSTRAINT standing_state_check CHECK (state in ('ok', 'pending', 'firing', 'unknown', 'learning'))
);

CREATE INDEX standing_check_name_idx ON standing (check_name);

CREATE TABLE team (
  name TEXT NOT NULL,
  spec JSON NOT NULL,
  CONSTRAINT team_pkey PRIMARY KEY (name)
);

CREATE TABLE token (
  id TEXT NOT NULL,
  login TEXT NOT NULL,
  name TEXT DEFAULT '' NOT NULL,
  secret_digest TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  expires_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT token_pkey PRIMARY KEY (id)
);

CREATE INDEX token_login_idx ON token (login);

CREATE TABLE verdict (
  rule TEXT NOT NULL,
  series TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  state TEXT NOT NULL,
  alerting BOOLEAN NOT NULL,
  value FLOAT,
  because TEXT NOT NULL
)
 PARTITION BY range (at);

CREATE INDEX verdict_rule_at_idx ON verdict (rule, at);

CREATE TABLE check_result_rest PARTITION OF check_result DEFAULT;

CREATE TABLE sample_rest PARTITION OF sample DEFAULT;

CREATE TABLE verdict_rest PARTITION OF verdict DEFAULT;
"""


def upgrade() -> None:
    op.execute(SQL)
