"""Runs on demand in the console: many checks with their progress, and settings tried before they are saved."""

import html
import re
import time
from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML

from tests.web.conftest import Site
from tests.web.watching import configure, results, worker


@pytest.fixture
def root(site: Site) -> Iterator[Site]:
    """An admin's browser, with a worker behind it."""
    configure()
    with worker():
        yield site.as_("root")


def _beside(page: str, name: str) -> str:
    """What is said to be wrong beside a field."""
    found = re.search(rf'id="wrong-{name}">.*?</svg>(.*?)</span>', page, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def _value(page: str, name: str) -> str:
    """What stands in a field."""
    found = re.search(rf'<input name="{re.escape(name)}"[^>]*? value="([^"]*)"', page) or re.search(
        rf'<textarea[^>]* name="{re.escape(name)}"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL
    )
    assert found is not None, name
    return html.unescape(found[1])


def test_all_that_is_shown_runs_and_its_progress_is_a_page(root: Site) -> None:
    results("web", 3, lambda _: {"message": "old"})
    root.post("/checks/far/pause")
    assert "Run all shown" in root.get("/checks")
    answer = root.post("/checks/run", family="health", q="web")
    where = answer.headers["location"]
    assert where.startswith("/checks/runs/")
    deadline = time.monotonic() + 20
    while "1 check completed" not in (page := root.get(where)):
        assert "0 of 1" in page
        assert '<noscript><meta http-equiv="refresh"' in page
        assert "every 1s" in page
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert '<progress id="progress" max="1" value="1">' in page
    assert "refused the connection" in page
    assert "every 1s" not in page
    assert 'href="/checks?family=health&amp;q=web"' in page
    assert "/checks/far" not in root.get(root.post("/checks/run").headers["location"])  # it is paused


def test_a_run_of_nothing_of_nobody_and_of_long_ago_is_told(site: Site) -> None:
    configure()
    ada, viewer = site.as_("ada"), site.as_("vi")
    ada.post("/checks/run", 422, q="no such check")
    viewer.post("/checks/run", 403)
    assert "Run all shown" not in viewer.get("/checks")
    viewer.get("/checks/runs/nope", 404)


def test_a_run_that_nobody_takes_says_so(site: Site) -> None:
    from datetime import UTC, datetime, timedelta

    from app.checks.demand import store
    from app.db import transaction

    configure()
    with transaction() as db:
        store.ask(db, "b1", ["web", "api"], "t1", "ed", datetime.now(UTC) - timedelta(minutes=5), None)
    page = site.as_("vi").get("/checks/runs/b1?back=https://evil.example")
    assert "2 of 2 checks timed out" in page
    assert "No worker picked up the rest" in page
    assert "every 1s" not in page
    assert '<a class="button" href="/checks">' in page


def test_probes_are_chosen_by_family_with_what_each_does(root: Site, site: Site) -> None:
    from app import plugins

    page = root.get("/checks/try")
    assert page.count('href="/checks/try?probe=') == len(plugins.probe_names())
    assert "Answers a TCP connection" in page or "TCP" in page
    assert 'href="/checks/try"' in root.get("/checks")
    site.as_("ed").get("/checks/try", 403)
    root.get("/checks/try?probe=health.nope", 404)
    root.get("/checks/nope/try", 404)


def test_every_probe_has_a_form(root: Site) -> None:
    from app import plugins

    for name in plugins.probe_names():
        page = root.get(f"/checks/try?probe={name}")
        assert "Run probe" in page, name
        assert len(page.encode()) < 30_000, name


def test_a_good_try_of_a_probe_shows_the_lines_to_paste(root: Site, engine: object) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        page = root.post(
            "/checks/try", 200, probe="health.tcp", name="mail", timeout="5s", **{"with.host": "127.0.0.1", "with.port": port}
        ).text
    assert "ck-ok" in page
    assert _value(page, "with.port") == port
    lines = re.search(r'<code class="take">(.*?)</code>', page, re.DOTALL)
    assert lines is not None
    written = YAML(typ="safe", pure=True).load(html.unescape(lines[1]))
    assert written == {
        "checks": {
            "mail": {"probe": "health.tcp", "every": "1m", "timeout": "5s", "with": {"host": "127.0.0.1", "port": int(port)}}
        }
    }


def test_a_mistake_stands_beside_its_field_and_what_was_typed_stays(root: Site) -> None:
    page = root.post(
        "/checks/try",
        422,
        probe="health.http",
        name="a b",
        timeout="50s",
        **{"with.url": "ftp://x", "with.max_bytes": "many", "with.expect": "status: [200\n", "secret.password": "s3cret-typed"},
    ).text
    assert "http" in _beside(page, "url")
    assert "integer" in _beside(page, "max_bytes") or "number" in _beside(page, "max_bytes")
    assert "line" in _beside(page, "expect")
    assert "40s" in _beside(page, "timeout")
    assert "space" in _beside(page, "name")
    assert (_value(page, "with.url"), _value(page, "with.max_bytes")) == ("ftp://x", "many")
    assert _value(page, "with.expect").strip() == "status: [200"
    assert "s3cret-typed" not in page


def test_a_check_is_tried_with_other_settings_and_its_secrets_stay_where_they_belong(root: Site) -> None:
    page = root.get("/checks/api/try")
    assert "hunter2" not in page
    assert "abc-secret" not in page
    assert _value(page, "with.url") == "http://127.0.0.1:9/health"
    typed = {name: _value(page, name) for name in ("with.url", "with.username", "with.headers", "with.expect", "timeout", "at")}
    page = root.post("/checks/api/try", 200, **typed, **{"with.max_bytes": "4096"}).text
    assert "ck-critical" in page
    lines = re.search(r'<code class="take">(.*?)</code>', page, re.DOTALL)
    assert lines is not None
    check = YAML(typ="safe", pure=True).load(html.unescape(lines[1]))["checks"]["api"]
    assert check["with"]["password"] == "${PASSWORD}"
    assert check["with"]["headers"] == {"Authorization": "${SECRET}", "Accept": "text/plain"}
    assert check["with"]["max_bytes"] == 4096
    assert "-secret" not in page
    aimed = root.post("/checks/api/try", 422, **{**typed, "with.url": "http://127.0.0.2:9/collect"}).text
    assert "the target changed" in _beside(aimed, "password")
    assert "the target changed" in _beside(aimed, "headers")
    starred = {**typed, "with.headers": typed["with.headers"] + "\nX-More: 1"}
    assert "*** is a hidden secret" in _beside(root.post("/checks/api/try", 422, **starred).text, "headers")


def test_a_refused_form_does_not_show_a_secret_again(site: Site) -> None:
    configure()
    editor = site.as_("ed")
    page = editor.post("/checks/api/try", 403, **{"secret.password": "s3cret-typed", "with.url": "http://x.example"}).text
    assert "http://x.example" in page
    assert "s3cret-typed" not in page


def test_yaml_that_would_grow_without_end_is_refused(root: Site) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]" for n in range(8)
    )
    page = root.post("/checks/try", 422, probe="health.http", **{"with.url": "http://127.0.0.1:9/", "with.headers": bomb}).text
    assert _beside(page, "headers")


def test_without_a_worker_the_page_says_so_and_keeps_what_was_typed(site: Site) -> None:
    configure()
    page = (
        site.as_("root")
        .post("/checks/try", 503, probe="health.tcp", timeout="1s", **{"with.host": "127.0.0.1", "with.port": "9"})
        .text
    )
    assert "no worker picked it up" in page
    assert _value(page, "with.port") == "9"
