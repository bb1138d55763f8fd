"""One question, three askers: which checks fit is the same in the console, over the API and in the shell."""

import json
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from app.checks import store
from app.checks.model import Result
from app.checks.pause import pause
from app.checks.probe import Status
from app.configfile.apply import apply
from app.configfile.load import load_texts
from app.db import transaction
from app.people.model import SYSTEM
from app.people.service import make_token
from app.upkeep import make_partitions
from tests.web.conftest import Site

PROBES = ("health.tcp", "performance.http", "health.dns")
WITH: dict[str, dict[str, Any]] = {
    "health.tcp": {"host": "127.0.0.1", "port": 9},
    "performance.http": {"url": "http://127.0.0.1:9/"},
    "health.dns": {"query_name": "example.org"},
}
VALUES = {
    "service": ["shop", "db", ""], "family": ["health", "performance"], "probe": list(PROBES), "env": ["prod", "test", ""],
    "status": ["ok", "critical", ""], "name": ["c1", "c2", "c3"], "check": ["c4"], "queue": ["health", "health@paris"],
    "message": ["fine", ""], "nothing": ["x", ""],
}  # fmt: skip


def configured(rng: random.Random) -> None:
    checks: dict[str, dict[str, Any]] = {}
    for number in range(20):
        probe = rng.choice(PROBES)
        check: dict[str, Any] = {"probe": probe, "with": WITH[probe], "alert": "off"}
        if service := rng.choice(["shop", "db", None]):
            check["service"] = service
        if env := rng.choice(["prod", "test", None]):
            check["labels"] = {"env": env, **({"service": "not the label's"} if rng.random() < 0.2 else {})}
        if rng.random() < 0.3:
            check["at"] = "paris"
        checks[f"c{number}"] = check
    whole = {"services": {"shop": {}, "db": {}}, "checks": checks, "users": {"root": {"role": "admin"}}, "routes": []}
    found = load_texts({"a.yaml": json.dumps(whole)}, {})
    assert found.errors == ()
    now = datetime.now(UTC)
    with transaction() as db:
        apply(db, found, SYSTEM, now)
        make_partitions(db, now)
        ran = [
            Result(name, now - timedelta(seconds=5), rng.choice(list(Status)), rng.choice(["fine", "odd"]), 0.1)
            for name in checks
        ]
        store.finish(db, rng.sample(ran, 15))


def matcher(rng: random.Random) -> str:
    name = rng.choice(list(VALUES))
    one, other = rng.choice(VALUES[name]), rng.choice(VALUES[name])
    return rng.choice(
        [f'{name}="{one}"', f'{name}!="{one}"', f'{name}=~"{one}|{other}"', f'{name}!~"{one}.*"', f'{{{name}="{one}"}}']
    )


def console(site: Site, **asked: str) -> list[str]:
    return sorted(re.findall(r'<a class="cover" id="([^"]+)"', site.get("/checks", params=asked)))


def shell(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    from app.cli import main

    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(("checks", "list", "--json", *words))
    said = capsys.readouterr()
    assert not end.value.code, said.err
    return [one["name"] for one in json.loads(said.out)["items"]]


@pytest.mark.parametrize("seed", range(3))
def test_console_api_and_shell_find_the_same_checks(site: Site, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    rng = random.Random(seed)
    configured(rng)
    with transaction() as db:
        for name in rng.sample(sorted(store.states(db)), 4):
            store.pause(db, name, pause(datetime.now(UTC), "ed"))
        counts = store.count_by_status(db)
        assert counts == Counter(one.shown for one in store.states(db).values())
        token = make_token(db, "root", "test", SYSTEM, datetime.now(UTC))
    browser, found = site.as_("root"), 0

    def api(**asked: Any) -> list[str]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{site.url}/api/v1/checks", params=asked, headers=headers, timeout=20)
        return [one["name"] for one in answer.json()["items"]]

    for _ in range(25):
        match = [matcher(rng) for _ in range(rng.randint(1, 2))]
        family = rng.choice([None, "health"])
        here = console(browser, q=", ".join(one.strip("{}") for one in match), family=family or "")
        assert here == api(match=match, family=family), (match, family)
        assert here == shell(
            capsys, *(word for one in match for word in ("--match", one)), *(("--family", family) if family else ())
        )
        found += bool(here)
    assert found > 5
    assert {status: len(console(browser, status=status)) for status in counts} == counts
    shop = console(browser, q='service="shop"')
    assert shop == api(service="shop") == shell(capsys, "--service", "shop")
    assert shop
