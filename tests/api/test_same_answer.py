"""One decision, many askers: `config routes test`, `preview` in shell, API and console, and the incident that opens."""

import html
import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import line
from app.catalog.model import Severity
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.signals.model import Signal, SignalStatus
from tests.api.conftest import Api
from tests.sent import intake
from tests.web.conftest import Site

MONDAY = datetime.fromisoformat("2026-11-23T00:00:00+01:00")
VALUES: dict[str, list[str]] = {
    "team": ["shop", "data"], "tier": ["critical", "low"], "family": ["health", "security"], "env": ["prod", "test"],
    "service": ["web", "db", "unknown"], "severity": list(Severity), "hours": ["office", "late", "night"], "zone": ["a,b", ""],
    "alertname": ["Down", "Slow"],
}  # fmt: skip


def matcher(rng: random.Random) -> str:
    name = rng.choice(list(VALUES))
    value = rng.choice(VALUES[name])
    other = rng.choice(VALUES[name])
    return rng.choice([f'{name}="{value}"', f'{name}!="{value}"', f'{name}=~"{value}|{other}"', f'{name}!~"{value}"'])


def route(rng: random.Random, number: int, matching: bool = True) -> dict[str, Any]:
    made: dict[str, Any] = {"policy": f"p{number}"}
    if matching:
        made["match"] = [matcher(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.4:
        made["urgency"] = rng.choice(["high", "low", {"during": rng.choice(["office", "late"]), "then": "high", "else": "low"}])
    if rng.random() < 0.4:
        made["pages"] = rng.choice(["office", "late", "night"])
    return made


def configuration(rng: random.Random) -> dict[str, Any]:
    routes = [route(rng, number) for number in range(rng.randint(1, 6))]
    routes.append(route(rng, len(routes), matching=False))
    return {
        "defaults": {"timezone": rng.choice(["Europe/Paris", "America/New_York", "UTC"])},
        "platform": {"owners": ["user:dee"]},
        "users": {"ada": {"notify": {"low": ["inbox"]}}, "dee": {"role": "admin"}, "root": {"role": "admin"}},
        "teams": {"shop": {"members": ["ada"]}, "data": {"members": ["ada"]}},
        "services": {"web": {"team": "shop", "tier": "critical"}, "db": {"team": rng.choice(["data", None]), "tier": "low"}},
        "hours": {
            "office": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "18:00", "holidays": "FR"},
            "late": {"from": "16:00", "to": "23:30", "timezone": "Asia/Tokyo"},
            "night": {"from": "22:00", "to": "06:00"},
        },
        "policies": {
            f"p{n}": {"steps": [{"page": "team:shop", "wait": "1h"}, {"page": "user:dee"}]} for n in range(len(routes))
        },
        "routes": routes,
        "grouping": [{"by": ["id"]}],
    }


def alert(rng: random.Random, number: int) -> tuple[dict[str, str], Severity]:
    names = rng.sample(["env", "family", "service", "zone", "team", "hours"], rng.randint(0, 4))
    chosen = {name: rng.choice(VALUES[name]) for name in names}
    return {"alertname": rng.choice(VALUES["alertname"]), "id": str(number), **chosen}, rng.choice(list(Severity))


def shell(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    from app.cli import main

    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    assert not end.value.code, said.err
    return json.loads(said.out)


def console(page: str) -> tuple[dict[str, str], set[tuple[str, str, datetime]]]:
    """What the console's preview shows: its facts by name, and the pages of the first step."""
    found = re.findall(r"<dt>(\w+)</dt><dd>(.*?)</dd>", page)
    facts = {name: html.unescape(re.sub(r"</?a\b[^>]*>", "", value)) for name, value in found}
    moment = r'<li id="step-\d+"><b><time datetime="([^"]+)"[^>]*>[^<]*</time></b> <span class="soft">step 1</span>(.*?)</ul>'
    person = r'<li><b>(\w+)\s*</b> <span class="soft">via</span> (\w+)'
    steps = re.findall(moment, page, re.DOTALL)
    return facts, {(*who, datetime.fromisoformat(at)) for at, listed in steps for who in re.findall(person, listed)}


def live(labels: dict[str, str], severity: Severity, at: datetime) -> tuple[dict[str, Any], dict[str, str], set[Any]]:
    """The incident that opens, its alert's labels, and the pages of its first step."""
    from app.alerts import store as alerts
    from app.escalation import store as escalations
    from app.incidents import store as incidents
    from app.incidents.search import store as search
    from app.incidents.search.model import Search
    from app.notify import store as pages

    kept = {name: value for name, value in labels.items() if value}
    key = f"k{labels['id']}"
    intake(
        "user:t",
        [Signal("user:t", key, SignalStatus.FIRING, "s", severity, labels["alertname"], kept.get("service"), labels=kept)],
        at,
    )
    while line.dedup(at):
        pass
    with transaction() as db:
        (newest, *_) = search.found(db, Search(), limit=1)
        number = newest.number
    while line.escalate(at):
        pass
    with transaction() as db:
        due = escalations.of_incidents(db, [number])[number]
        waits = due.due_at if due.held else None
    if waits is not None:
        while line.escalate(waits):
            pass
        while line.dedup(waits):
            pass
    with transaction() as db:
        found = incidents.get(db, number)
        assert found is not None
        told = {(page.user, page.contact, page.due_at) for page in pages.of_incidents(db, [number]) if page.step == 1}
        (one,) = alerts.of_incidents(db, [number])
    return {"policy": newest.policy_name, "urgency": newest.urgency.value, "pages": newest.hours}, dict(one.labels), told


@pytest.mark.parametrize("seed", range(12))
def test_every_asker_gives_the_same_answer(api: Api, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(seed)
    text = json.dumps(configuration(rng))
    (tmp_path / "all.yaml").write_text(text)
    loaded = load_texts({"all.yaml": text}, {})
    assert loaded.errors == ()
    with transaction() as db:
        apply(db, loaded, SYSTEM, MONDAY)
    for number in range(6):
        labels, severity = alert(rng, number)
        at = MONDAY + timedelta(minutes=rng.randrange(0, 60 * 24 * 40))
        written = ",".join(f'{name}="{value}"' for name, value in labels.items())
        options = ("--labels", written, "--severity", severity, "--at", at.isoformat(), "--json")
        tested = shell(capsys, "config", "routes", "test", *options, str(tmp_path))
        previewed = shell(capsys, "preview", *options)
        asked = api.post("preview", {"labels": labels, "severity": severity, "at": at.isoformat()})
        assert previewed == asked
        shown = Site(api.url).as_("dee").get("/preview", params={"labels": written, "severity": severity, "at": at.isoformat()})
        facts, listed = console(shown)
        incident, carried, told = live(labels, severity, at)
        about = {"policy": asked["policy"], "urgency": asked["urgency"]}
        assert about == {"policy": tested["policy"], "urgency": tested["urgency"]}
        assert about == {"policy": incident["policy"], "urgency": incident["urgency"]}
        assert (tested["route"], tested["pages"]) == (asked["route"], incident["pages"])
        assert asked["policy"] == f"p{asked['route'] - 1}"
        assert asked["labels"] == tested["labels"] == carried
        first = {(one["user"], one["contact"], datetime.fromisoformat(one["at"])) for one in asked["steps"] if one["step"] == 1}
        assert first == told, (at, asked, incident)
        assert {name: facts[name] for name in ("Route", "Policy", "Urgency")} == {
            "Route": str(asked["route"]), "Policy": asked["policy"], "Urgency": asked["urgency"],
        }  # fmt: skip
        assert dict(re.findall(r'<code>(\w+)="(.*?)"</code>', facts["Labels"])) == asked["labels"]
        assert listed == {(user, contact, when.replace(microsecond=0)) for user, contact, when in first}
