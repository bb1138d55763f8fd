"""Working an incident without JavaScript, and lists that do not move under a finger."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.web.conftest import Site, deliver_inbox, incident, measure, raise_alert


def test_an_incident_is_acknowledged_from_home_and_the_toast_takes_it_back(ada: Site) -> None:
    number = raise_alert("disk full", severity="critical")
    page = ada.get("/")
    assert "1 open" in page
    assert "unacknowledged" in page
    assert f'formaction="/incidents/{number}/acknowledge"' in page
    done = ada.post(f"/incidents/{number}/acknowledge", back="/")
    assert done.headers["location"] == "/"
    assert (incident(number).state, incident(number).acknowledged_by) == ("acknowledged", "ada")
    assert f'action="/incidents/{number}/unacknowledge"' in ada.toast()
    assert ada.toast() == ""
    ada.post(f"/incidents/{number}/unacknowledge")
    assert incident(number).state == "triggered"


def test_a_page_and_a_list_name_the_same_who_is_next(ada: Site) -> None:
    """A step that is nobody is skipped, and a channel has its name."""
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    old = "{name: old, users: [ada], every: 1d, handoff: '09:00', start: 2026-01-05, until: 2026-01-06}"
    steps = "{page: 'user:ada'}, {page: 'schedule:over'}, {page: 'channel:hook'}"
    found = load_texts(
        {
            "a.yaml": f"""
users: {{ada: {{role: responder}}}}
channels: {{hook: {{kind: webhook, url: "http://127.0.0.1:9/hook"}}}}
schedules: {{over: {{layers: [{old}]}}}}
policies: {{p: {{steps: [{steps}]}}}}
routes: [{{policy: p}}]
"""
        },
        {},
    )
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, datetime.now(UTC))
    number = raise_alert("disk full")
    assert "escalates to channel hook" in ada.get("/")
    page = ada.get(f"/incidents/{number}")
    assert "Escalates to channel hook" in page
    assert "Step 2 (next): <b>channel hook</b>" in page


def test_resolving_can_be_undone_and_a_second_move_is_told_in_words(ada: Site) -> None:
    number = raise_alert("disk full")
    ada.post(f"/incidents/{number}/resolve")
    assert f'action="/incidents/{number}/undo-resolve"' in ada.toast()
    page = ada.post(f"/incidents/{number}/acknowledge", 409).text
    assert "cannot acknowledge an incident that is resolved" in page.lower()
    assert "Conflict: already changed" in page
    ada.post(f"/incidents/{number}/undo-resolve")
    assert f"#{number} reopened; escalation restarts at step 1" in ada.toast()
    assert incident(number).state == "triggered"
    ada.post(f"/incidents/{number}/acknowledge")
    ada.post(f"/incidents/{number}/resolve")
    ada.post(f"/incidents/{number}/undo-resolve")
    assert f"#{number} reopened, acknowledged as before" in ada.toast()
    assert (incident(number).state, incident(number).acknowledged_by) == ("acknowledged", "ada")


def snoozed_for(number: int) -> timedelta:
    until = incident(number).snoozed_until
    assert until is not None
    return until - datetime.now(UTC)


def test_a_snooze_is_for_a_while_or_until_morning(ada: Site) -> None:
    number = raise_alert("disk full")
    ada.post(f"/incidents/{number}/snooze", **{"for": "15m"})
    assert timedelta(minutes=14) < snoozed_for(number) <= timedelta(minutes=15)
    assert "snoozed by" in ada.get(f"/incidents/{number}").lower()
    ada.post(f"/incidents/{number}/snooze", **{"for": "morning"})
    assert timedelta(0) < snoozed_for(number) <= timedelta(hours=25)
    ada.post(f"/incidents/{number}/snooze", 422, **{"for": "forever"})


def test_notes_assignments_and_merges_stand_on_the_page(ada: Site) -> None:
    one, other = raise_alert("disk full"), raise_alert("latency", service="db")
    ada.post(f"/incidents/{one}/note", text="I look at <b>web-3</b>\nnow")
    ada.post(f"/incidents/{one}/assign", user="bo")
    page = ada.get(f"/incidents/{one}")
    assert "I look at &lt;b&gt;web-3&lt;/b&gt;\nnow" in page
    assert "assigned to bo by ada" in page
    typed = ada.post(f"/incidents/{one}/assign", 422, user="nobody at all").text
    assert "nobody at all" in typed
    assert ada.post(f"/incidents/{one}/merge", into=f"#{other}").headers["location"] == f"/incidents/{other}"
    assert "Merged into" in ada.get(f"/incidents/{one}")
    ada.post(f"/incidents/{other}/merge", 422, into="x")
    ada.post(f"/incidents/{other}/fly", 404)


def test_escalating_takes_the_next_step_now(ada: Site) -> None:
    from app import line

    number = raise_alert("disk full")
    ada.post(f"/incidents/{number}/escalate")
    line.escalate()
    assert "step 2 of 2" in ada.get(f"/incidents/{number}")


def test_the_escalate_menu_shows_whom_each_step_pages_and_over_what(ada: Site) -> None:
    from app import line

    number = raise_alert("disk full")
    page = ada.get(f"/incidents/{number}")
    menu = page[page.index('id="escalate"') : page.index("Assign to a person")]
    assert re.findall(r'name="step" value="(\d*)"', menu) == ["2"]
    assert "Step 2 (next)" in menu
    assert "hook now" in menu
    ada.post(f"/incidents/{number}/escalate", step="2")
    line.escalate()
    assert "escalated manually by ada to step 2" in ada.get(f"/incidents/{number}")
    assert "Step 2 has already run" in ada.post(f"/incidents/{number}/escalate", 409, step="2").text
    ada.post(f"/incidents/{number}/escalate", 422, step="x")
    assert "Last resort" in ada.get(f"/incidents/{number}")
    (place,) = re.findall(r'name="place" value="([^"]+)"', ada.get(f"/incidents/{number}"))
    for _ in range(2):
        ada.post(f"/incidents/{number}/escalate", step="", place=place)
    line.escalate()
    again = ada.post(f"/incidents/{number}/escalate", 409, step="", place=place).text
    assert "has been escalated meanwhile" in again, "the last resort is not paged twice by a button that is pressed twice"
    assert ada.get(f"/incidents/{number}").count("escalated manually") == 2
    assert "escalation policy exhausted: ed" in ada.get(f"/incidents/{number}")


def test_choosing_an_assignee_shows_the_team_first_and_what_each_is_sent(site: Site, ada: Site) -> None:
    number = raise_alert("disk full")
    page = ada.get(f"/incidents/{number}/assign")
    assert re.findall(r'name="user" value="(\w+)"', page) == ["ada", "bo", "ed", "root"]
    assert "inbox now, hook now" in page
    assert "ada is not paged" in page
    assert re.findall(r'name="user" value="(\w+)"', ada.get(f"/incidents/{number}/assign?q=B")) == ["bo"]
    assert "viewers cannot assign" in site.as_("vi").get(f"/incidents/{number}/assign")
    ada.post(f"/incidents/{number}/assign", user="bo")
    assert "bo is assigned and was paged" in ada.get(f"/incidents/{number}/assign")
    ada.post(f"/incidents/{number}/resolve")
    assert "cannot be assigned" in ada.get(f"/incidents/{number}/assign")
    ada.get("/incidents/999/assign", 404)


def test_a_page_that_waits_for_quiet_hours_says_until_when(site: Site, ada: Site) -> None:
    from app.configfile.apply import apply
    from app.configfile.load import load_texts
    from app.db import transaction
    from app.people.model import SYSTEM

    now = datetime.now(UTC)
    quiet = f"quiet_hours: {{from: '{now - timedelta(hours=1):%H:%M}', to: '{now + timedelta(hours=2):%H:%M}'}}, timezone: UTC"
    wanted = f"""
users: {{ada: {{role: responder}}, bo: {{role: responder, {quiet}}}, root: {{role: admin, timezone: Asia/Tokyo}}}}
policies: {{p: {{steps: [{{page: "user:bo", wait: 5m}}, {{page: "user:bo", wait: 5m}}]}}}}
routes: [{{policy: p, urgency: low}}]
"""
    found = load_texts({"a.yaml": wanted}, {})
    assert found.errors == ()
    with transaction() as db:
        apply(db, found, SYSTEM, now)
    number = raise_alert("disk full")
    page = ada.get(f"/incidents/{number}")
    held = f"held until {now + timedelta(hours=2):%H:%M} (quiet hours)"
    assert f"Page to bo {held}." in page
    assert f"bo {held}" in page[page.index("Next escalations") : page.index('id="pages"')]
    assert held in page[page.index('id="pages"') :]
    assert "</svg>held</span>" in page
    elsewhere = site.as_("root").get(f"/incidents/{number}")
    tokyo = f"held until {(now + timedelta(hours=2)).astimezone(ZoneInfo('Asia/Tokyo')):%H:%M} (quiet hours)"
    assert f"Page to bo {tokyo}." in elsewhere
    assert held not in elsewhere


def test_an_incident_says_who_is_next_when_and_why_it_paged_me(site: Site) -> None:
    number = raise_alert("disk full")
    deliver_inbox()
    from app.db import transaction
    from app.oncall import service as oncall

    with transaction() as db:
        (holder,) = oncall.who(db, datetime.now(UTC))["primary"].users
    page = site.as_(holder).get(f"/incidents/{number}")
    assert "Why was I paged?" in page
    assert "on call in primary" in page
    assert "step 2 of 2" in page
    assert "escalation policy exhausted" in page
    assert "The shop is down" in page
    assert "chip pg-delivered" in page
    assert "Why was I paged?" not in site.as_("root").get(f"/incidents/{number}")


def test_a_check_behind_an_incident_is_drawn_with_its_limit(ada: Site) -> None:
    measure("web", [0.2] * 20 + [2.5] * 10)
    number = raise_alert("web is slow", source="rule:slow", check="web", age=timedelta(minutes=8))
    page = ada.get(f"/incidents/{number}")
    assert 'class="line l0" d="M' in page
    assert 'class="limit"' in page
    assert 'class="firing"' in page


def test_rows_never_move_new_ones_announce_themselves(ada: Site) -> None:
    first, second = raise_alert("first"), raise_alert("second", service="db")
    third = raise_alert("third", service="other", severity="critical")
    page = ada.get(f"/?known={second}&known={first}&seen={second}")
    assert page.index(f'id="i{second}"') < page.index(f'id="i{first}"')
    assert f'id="i{third}"' not in page
    assert "1 new" in page
    assert "critical · third" in page
    ada.post(f"/incidents/{second}/resolve")
    page = ada.get(f"/?known={second}&known={first}&seen={second}")
    assert f'id="i{second}"' in page
    assert page.index(f'id="i{second}"') < page.index(f'id="i{first}"')
    page = ada.get("/")
    assert page.index(f'id="i{third}"') < page.index(f'id="i{first}"')
    assert f'id="i{second}"' not in page


def test_lists_are_filtered_by_words_and_by_the_configurations_matchers(ada: Site) -> None:
    shop, db = raise_alert("disk full 100%", severity="critical"), raise_alert("latency_x", service="db")
    found = {
        "q=100%25": [shop],
        "q=latency_": [db],
        "service=db": [db],
        "severity=critical": [shop],
        'q=service="shop"': [shop],
        'q=severity!="critical"': [db],
        "state=resolved": [],
        "q=zzz": [],
        'q=title=~".*full.*"': [shop],
        "state=nonsense": [shop, db],
    }
    for query, wanted in found.items():
        page = ada.get(f"/incidents?{query}")
        assert [number for number in (shop, db) if f'id="i{number}"' in page] == wanted, query
    page = ada.get('/incidents?q=service="shop')
    assert "quote" in page or "syntax error" in page, "the error stands beside the field"
    assert 'value="service=&#34;shop"' in page, "what was typed stays"
    assert "unknown severity &#34;awful&#34;" in ada.get("/incidents?severity=awful")


def test_the_toast_undoes_an_escalation_or_an_assignment(ada: Site) -> None:
    from app import line

    number = raise_alert("cards are refused")
    for action in ("escalate", "assign"):
        ada.post(f"/incidents/{number}/{action}", user="bo")
        assert f'action="/incidents/{number}/undo"' in ada.toast()
        line.escalate()
        ada.post(f"/incidents/{number}/undo")
        assert f"#{number}: undone" in ada.toast()
    assert incident(number).assigned_to is None
    assert "cannot undo: assignment to bo undone by ada" in ada.post(f"/incidents/{number}/undo", 409).text.lower()


def test_what_changed_nothing_offers_no_undo_of_what_was_before(ada: Site) -> None:
    number = raise_alert("cards are refused")
    ada.post(f"/incidents/{number}/assign", user="bo")
    ada.post(f"/incidents/{number}/assign", user="bo")
    assert ada.toast() == f"#{number} is assigned"


def test_a_removed_incident_says_so(ada: Site) -> None:
    from sqlalchemy import text

    from app.db import transaction
    from app.upkeep import drop_old_incidents

    number = raise_alert("disk full")
    ada.post(f"/incidents/{number}/resolve")
    with transaction() as db:
        for change in (
            "update incident set resolved_at = now() - interval '401 days'",
            "update page set state = 'expired', ended_at = now() - interval '401 days'",
            "update alert set ends_at = now() - interval '401 days', dedup_at = null",
        ):
            db.execute(text(change))
    assert drop_old_incidents() == 1
    page = ada.get(f"/incidents/{number}", 410)
    assert f"Incident #{number} no longer exists: incidents are removed 400 days after they are resolved." in page
    assert "No longer kept" in page
    ada.post(f"/incidents/{number}/acknowledge", 410)
    assert ada.get("/incidents?state=all")
    assert "Not found" in ada.get(f"/incidents/{number + 1}", 404)
