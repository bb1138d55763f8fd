"""Reasons as codes and facts; checked incident state changes; pages that replace another contact's."""

from alembic import op

revision = "0011"
down_revision = "0010"

RECORDED = "jsonb_build_object('code', 'recorded', 'facts', jsonb_build_object('text', reason))"

SQL = f"""
ALTER TABLE incident_event ALTER COLUMN text DROP NOT NULL;

ALTER TABLE page RENAME COLUMN reason TO reasons;
ALTER TABLE page ALTER COLUMN reasons TYPE JSONB USING jsonb_build_array({RECORDED.replace("reason)", "reasons)")});
ALTER TABLE page ADD COLUMN breached BIGINT;
UPDATE page SET breached = round - 1000, round = 0 WHERE round >= 1000 AND kind = 'page' AND obligation IS NULL;
UPDATE page SET reasons = jsonb_set(reasons, '{{0,code}}', '"fallback"') WHERE reasons #>> '{{0,facts,text}}' LIKE 'fallback: %';

ALTER TABLE obligation ALTER COLUMN reason DROP DEFAULT, ALTER COLUMN reason DROP NOT NULL;
ALTER TABLE obligation ALTER COLUMN reason TYPE JSONB USING CASE WHEN reason <> '' THEN {RECORDED} END;
ALTER TABLE escalation ALTER COLUMN reason DROP DEFAULT, ALTER COLUMN reason DROP NOT NULL;
ALTER TABLE escalation ALTER COLUMN reason TYPE JSONB USING CASE WHEN reason <> '' THEN {RECORDED} END;

-- What no release should have written, before it is refused.
UPDATE alert SET ends_at = CASE WHEN state = 'resolved' THEN seen_at END WHERE (state = 'resolved') <> (ends_at IS NOT NULL);
UPDATE incident SET
  resolved_at = CASE WHEN state = 'resolved' THEN coalesce(resolved_at, opened_at) END,
  acknowledged_at = CASE state WHEN 'triggered' THEN NULL WHEN 'acknowledged' THEN coalesce(acknowledged_at, opened_at)
                    ELSE acknowledged_at END,
  snoozed_until = CASE WHEN state = 'acknowledged' THEN snoozed_until END,
  merged_into = CASE WHEN state = 'resolved' THEN merged_into END
WHERE (state = 'resolved') <> (resolved_at IS NOT NULL) OR (state = 'triggered' AND acknowledged_at IS NOT NULL)
  OR (state = 'acknowledged' AND acknowledged_at IS NULL) OR (state <> 'acknowledged' AND snoozed_until IS NOT NULL)
  OR (state <> 'resolved' AND merged_into IS NOT NULL);

-- The same table as app/incidents/lifecycle.py.
ALTER TABLE incident
  ADD CONSTRAINT incident_resolved_check CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
  ADD CONSTRAINT incident_acknowledged_check CHECK (
    CASE state WHEN 'acknowledged' THEN acknowledged_at IS NOT NULL WHEN 'triggered' THEN acknowledged_at IS NULL ELSE true END
  ),
  ADD CONSTRAINT incident_snoozed_check CHECK (snoozed_until IS NULL OR state = 'acknowledged'),
  ADD CONSTRAINT incident_merged_check CHECK (merged_into IS NULL OR state = 'resolved');

CREATE FUNCTION incident_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF old.state = 'resolved' AND new.state = 'acknowledged' THEN
    RAISE EXCEPTION 'incident % cannot go from % to %', old.number, old.state, new.state USING ERRCODE = 'check_violation';
  END IF;
  IF new.state = 'triggered' AND (old.state <> 'triggered') AND new.generation <> old.generation + 1 THEN
    RAISE EXCEPTION 'incident % is triggered again without a new generation', old.number USING ERRCODE = 'check_violation';
  END IF;
  IF new.generation NOT IN (old.generation, old.generation + 1) OR (new.state <> 'triggered' AND new.generation <> old.generation) THEN
    RAISE EXCEPTION 'incident % cannot go from generation % to % while %', old.number, old.generation, new.generation, new.state
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN new;
END $$;
-- The same table as app/alerts/lifecycle.py.
CREATE FUNCTION alert_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'alert % cannot go from % to %', old.id, old.state, new.state USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER alert_move BEFORE UPDATE ON alert FOR EACH ROW
WHEN (old.state <> new.state AND (old.state = 'resolved' OR new.state = 'pending')) EXECUTE FUNCTION alert_move();
ALTER TABLE alert ADD CONSTRAINT alert_resolved_check CHECK ((state = 'resolved') = (ends_at IS NOT NULL));

CREATE TRIGGER incident_move BEFORE UPDATE ON incident FOR EACH ROW
WHEN (old.state <> new.state OR old.generation <> new.generation) EXECUTE FUNCTION incident_move();
"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")  # a table of a million pages is written anew
    op.execute(SQL)


BACK = """
DROP TRIGGER alert_move ON alert;
DROP FUNCTION alert_move();
ALTER TABLE alert DROP CONSTRAINT alert_resolved_check;
DROP TRIGGER incident_move ON incident;
DROP FUNCTION incident_move();
ALTER TABLE incident DROP CONSTRAINT incident_resolved_check, DROP CONSTRAINT incident_acknowledged_check,
  DROP CONSTRAINT incident_snoozed_check, DROP CONSTRAINT incident_merged_check;
UPDATE incident_event SET text = kind WHERE text IS NULL;
ALTER TABLE incident_event ALTER COLUMN text SET NOT NULL;
ALTER TABLE page ALTER COLUMN reasons TYPE TEXT USING coalesce(reasons #>> '{0,facts,text}', reasons #>> '{0,code}', '');
ALTER TABLE page RENAME COLUMN reasons TO reason;
ALTER TABLE page DROP COLUMN breached;
ALTER TABLE obligation ALTER COLUMN reason TYPE TEXT USING coalesce(reason #>> '{facts,text}', reason ->> 'code', '');
ALTER TABLE obligation ALTER COLUMN reason SET DEFAULT '', ALTER COLUMN reason SET NOT NULL;
ALTER TABLE escalation ALTER COLUMN reason TYPE TEXT USING coalesce(reason #>> '{facts,text}', reason ->> 'code', '');
ALTER TABLE escalation ALTER COLUMN reason SET DEFAULT '', ALTER COLUMN reason SET NOT NULL;
"""


def downgrade() -> None:
    op.execute(BACK)
