"""A database after a year: most of it over, little of it open. For `test_plans.py`."""

from sqlalchemy import Connection, text

INCIDENTS, ALERTS, OPEN = 5_000, 20_000, 40
# An incident i of INCIDENTS ended i hours ago, but the last OPEN, which are open; the alerts go round them.
ROWS = """
insert into incident (group_key, title, state, severity, urgency, service, team, policy_name, labels, opened_at, resolved_at,
  alert_count)
select 'year' || i, 'title ' || i, case when i > {incidents} - {open} then 'triggered' else 'resolved' end,
  (array['critical', 'error', 'warning', 'info'])[1 + i % 4], case when i % 2 = 0 then 'high' else 'low' end,
  's' || i % 50, 't' || i % 10, 'rest', jsonb_build_object('service', 's' || i % 50),
  now() - make_interval(hours => {incidents} - i + 1),
  case when i <= {incidents} - {open} then now() - make_interval(hours => {incidents} - i) end, 4
from generate_series(1, {incidents}) as i;

insert into alert (fingerprint, source, key, alertname, state, severity, summary, service, labels, annotations, links,
  starts_at, seen_at, ends_at, incident, trace)
select 'year' || n, 'integration:year', 'k' || n, 'n' || n % 200,
  case when i.state = 'resolved' then 'resolved' else 'firing' end, i.severity, 'summary ' || n, i.service,
  jsonb_build_object('service', i.service, 'host', 'h' || n % 1000, 'env', 'prod', 'alertname', 'n' || n % 200), '{{}}', '[]',
  i.opened_at, i.opened_at, i.resolved_at, i.number, 'trace'
from generate_series(1, {alerts}) as n join incident i on i.group_key = 'year' || (1 + n % {incidents});

insert into incident_event (incident, at, kind, actor)
select number, opened_at, kind, case when kind = 'acknowledged' then 'ada' end
from incident, unnest(array['opened', 'escalated', 'acknowledged', 'resolved']) as kind where group_key like 'year%';

insert into escalation (incident, generation, round, step, due_at, due, state)
select number, 1, 0, 1, case when state <> 'resolved' then now() + interval '1 hour' end, 'step',
  case when state <> 'resolved' then 'running' else 'stopped' end
from incident where group_key like 'year%';

insert into obligation (incident, generation, round, step, target, user_name, state, made_at, ended_at)
select number, 1, 0, step, 'user:ada', 'ada', case when state <> 'resolved' and step = 2 then 'open' else 'met' end,
  opened_at, opened_at from incident, generate_series(1, 2) as step where group_key like 'year%';

insert into page (key, kind, incident, obligation, generation, round, step, user_name, contact, channel, state, reasons,
  made_at, due_at, next_at, expires_at, attempts, ended_at, seen_at)
select o.id || ':' || channel, 'page', o.incident, o.id, 1, 0, o.step, (array['ada', 'bo', 'ed', 'root'])[1 + o.id % 4],
  channel, channel, 'delivered', '[]', o.made_at, o.made_at, o.made_at, o.made_at, 1, o.made_at,
  case when channel = 'inbox' and o.incident % 100 > 0 then o.made_at end
from obligation o join incident i on i.number = o.incident and i.group_key like 'year%',
  unnest(array['inbox', 'hook']) as channel order by o.id, channel;

insert into page_attempt (page, n, at, outcome, ended_at)
select id, 1, made_at, 'accepted', made_at from page where state = 'delivered';

insert into signal (source, received_at, trace, events, payload)
select 'integration:year', now() - make_interval(mins => n), 't', 1, '{{}}' from generate_series(1, 10000) as n;

insert into audit (at, actor, via, action, object, detail)
select now() - make_interval(mins => 20000 - n), (array['ada', 'bo', 'root'])[1 + n % 3], 'console',
  (array['incident.acknowledge', 'incident.resolve', 'incident.note'])[1 + n % 3], 'incident:' || n % {incidents}, '{{}}'
from generate_series(1, 20000) as n;

insert into check_result (check_name, at, status, message, seconds, metrics)
select 'c' || n % 100, now() - make_interval(secs => n), 'ok', 'fine', 0.1, '{{}}' from generate_series(1, 20000) as n;

insert into sample (check_name, metric, at, value)
select 'c' || n % 100, 'seconds', now() - make_interval(secs => n), 0.1 from generate_series(1, 20000) as n;

insert into verdict (rule, series, at, state, alerting, reasons)
select 'r' || n % 100, '{{}}', now() - make_interval(secs => n), 'ok', false, '[]' from generate_series(1, 20000) as n;

insert into rollup_1h (check_name, metric, at, labels, count, low, high, total)
select 'c' || n % 10, 'seconds', date_trunc('hour', now()) - make_interval(hours => n / 10), '{{}}', 1, 1, 1, 1
from generate_series(1, 20000) as n;

insert into heartbeat_ping (heartbeat, n, at, kind, method, remote, agent, body)
select 1000 + n % 200, n / 200, now() - make_interval(mins => n), 'success', 'GET', '', '', ''
from generate_series(1, 20000) as n;
"""
GROWING = (
    "alert", "audit", "band", "check_result", "escalation", "heartbeat_ping", "incident", "incident_event", "obligation",
    "page", "page_attempt", "rollup_1h", "rollup_5m", "sample", "signal", "verdict",
)  # fmt: skip


def fill(db: Connection) -> None:
    """A year's rows."""
    db.exec_driver_sql("select setseed(0.5)")
    for statement in ROWS.format(incidents=INCIDENTS, alerts=ALERTS, open=OPEN).split(";\n"):
        if statement.strip():
            db.execute(text(statement.replace(":i", r"\:i").replace(":h", r"\:h").replace("':'", r"'\:'")))
