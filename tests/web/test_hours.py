"""The console says that an incident waits for its hours, and which overrides hold nobody."""

from datetime import UTC, datetime, timedelta

from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.web import frame
from tests.web.conftest import CONFIGURATION, RUNBOOK, Site, raise_alert

SOON = datetime.now(UTC) + timedelta(hours=3)
HOURS = f'hours: {{office: {{from: "{SOON:%H:%M}", to: "{SOON + timedelta(hours=1):%H:%M}", timezone: UTC}}}}\n'


def configure(text: str) -> None:
    loaded = load_texts({"all.yaml": text, "runbooks/shop-down.md": RUNBOOK}, {})
    assert loaded.errors == ()
    with transaction() as db:
        apply(db, loaded, SYSTEM, datetime.now(UTC))
    frame.invalidate()


def test_an_incident_shows_until_when_it_is_held(ada: Site) -> None:
    configure(
        HOURS
        + CONFIGURATION.replace("""'service="shop"', policy: shop}""", """'service="shop"', policy: shop, pages: office}""")
    )
    number = raise_alert("disk full")
    said = f"held until {SOON:%H:%M} (office hours)"
    page = ada.get(f"/incidents/{number}")
    assert f"({said})" in page  # who is next, in the head
    assert f'<span class="soft">{said}</span>' in page  # and the step itself
    assert said in ada.get("/")
    assert said in ada.get("/incidents")


def test_an_override_of_somebody_who_left_is_marked(ada: Site) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    editor = ada.as_("ed")
    editor.post(
        "/oncall/override",
        schedule="primary",
        user="ed",
        start=f"{now.isoformat()}",
        end=(now + timedelta(hours=9)).isoformat(),
    )
    page = ada.get("/oncall")
    assert "ignored" not in page
    assert "<b>ed</b>" in page
    configure(CONFIGURATION.replace("  ed: {role: editor}\n", "").replace(', if_exhausted: ["user:ed"]', ""))
    page = ada.get("/oncall")
    assert "ignored: user &#34;ed&#34; not found" in page
    assert "<b>ed</b>" not in page
