from datetime import UTC, datetime, timedelta

from sqlalchemy import text


def test_alert_to_page(clean, engine):
    from app import pager
    from app.alerts import service as alerts
    from app.catalog.store import Declaration, record_version, replace_all
    from app.db import transaction
    from app.people import service as people
    from app.people.model import Team, User
    from app.signals.model import Said, Signal

    t = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with transaction() as db:
        people.sync(db, {"ada": User(name="Ada"), "bo": User()}, {"shop": Team(members=("ada", "bo"))}, t)
        replace_all(db, [
            Declaration("policy", "p", 0, {"steps": [{"page": ["user:ada"], "wait": "5m"}, {"page": ["team:shop"], "wait": "5m"}]}, ""),
            Declaration("route", "0001", 0, {"policy": "p"}, ""),
        ])
        record_version(db, now=t, actor="x", digest="1", files={}, changes=[])
        alerts.accept(db, [Signal("user:x", "k", Said.FIRING, "disk full", service="shop")], t)
    assert pager.turn(t) > 0
    with transaction() as db:
        rows = db.execute(text("select key, state, step from page order by id")).all()
        print(rows)
    pager.turn(t + timedelta(minutes=5))
    with transaction() as db:
        alerts.accept(db, [Signal("user:x", "k", Said.RESOLVED, "disk full", service="shop")], t)
    pager.turn(t + timedelta(minutes=6))
    with transaction() as db:
        for r in db.execute(text("select key, state, step, kind, reason from page order by id")): print(r)
        for r in db.execute(text("select kind, text from incident_event order by id")): print(r)
        for r in db.execute(text("select * from obligation order by id")): print(r)
    assert 0
