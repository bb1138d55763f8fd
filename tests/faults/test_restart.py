"""An upgrade, and a database that is away: nobody is paged for what Tocsin itself missed, and real trouble still pages."""

import signal
import time
import urllib.request

import pytest

from tests.receiver import Receiver, receiver
from tests.stack import Stack, running, until

CONFIG = """
users: {ada: {contacts: {hook: ada}, notify: {high: [hook], low: [hook]}}}
channels: {hook: {kind: webhook, url: "%s/hook"}}
platform: {owners: ["user:ada"]}
policies: {p: {steps: [{page: "user:ada", wait: 1h}]}}
routes: [{policy: p}]
checks:
  shop: {probe: health.disk, every: 2s, with: {path: /}, alert: {severity: critical, summary: The shop does not answer}}
heartbeats: {backup: {every: 12s, grace: 3s}}
"""


def ping(stack: Stack) -> None:
    """As cron's curl does it."""
    (beat,) = stack.call("GET", "/api/v1/heartbeats")[1]["items"]
    with urllib.request.urlopen(beat["ping_url"], timeout=5) as answer:
        answer.read()


def settled(stack: Stack) -> None:
    """The check has run, the heartbeat was pinged."""
    until(lambda: (found := stack.call("GET", "/api/v1/checks")[1]) and found["items"][0]["status"] == "ok", 30)
    ping(stack)


def silence_would_count() -> None:
    """Until a check that is run every 2 s has been silent for longer than three intervals, which is "no data" while we run."""
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 8, 10)


def titles(kept: Receiver) -> list[str]:
    return [one.json["incident"]["title"] for one in kept.received]


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("slow_stack")
def test_a_restart_pages_nobody_and_silence_after_it_does() -> None:
    with receiver() as kept, running(CONFIG % kept.url) as stack:
        settled(stack)
        stack.tocsin("down")
        silence_would_count()
        stack.tocsin("up", "--detach")
        settled(stack)
        stack.kill("postgres", signal.SIGSTOP)
        silence_would_count()
        stack.kill("postgres", signal.SIGCONT)
        settled(stack)
        kept.wait_for(lambda got: len(got) >= 1, 30)  # nobody pings any more; what was judged wrongly came before
        (title,) = titles(kept)
        assert "no ping since" in title
