"""A story of mail: through the whole line to a real SMTP server."""

import email
import email.policy
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.journeys.world import World
from tests.stack import free_port

MAIL = """
users: {{ada: {{contacts: {{mail: ada@bücher.example}}}}, dee: {{contacts: {{mail: dee@example.com}}}}}}
channels: {{mail: {{kind: email, host: 127.0.0.1, port: {port}, sender: "Tocsin <tocsin@ops.example>"}}}}
platform: {{owners: ["user:dee"]}}
policies: {{p: {{steps: [{{page: "user:ada", wait: 60m}}]}}}}
routes: [{{policy: p}}]
"""


class Post:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


@pytest.fixture
def post() -> Iterator[tuple[Post, int]]:
    kept = Post()
    server = Controller(kept, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        yield kept, server.port
    finally:
        server.stop()


def test_an_incident_is_one_conversation_with_a_date_from_its_page_to_its_end(world: World, post: tuple[Post, int]) -> None:
    kept, port = post
    world.configure(MAIL.format(port=port))
    world.raise_alert("db\x1b[2J\u202e is down", service=None)
    world.end_alert("db\x1b[2J\u202e is down")
    (to, first), (_, end) = kept.mails
    assert to == ["ada@xn--bcher-kva.example"]
    assert [one["Subject"] for one in (first, end)] == ["[ERROR] #1 db is down is wrong", "[RESOLVED] #1 db is down is wrong"]
    assert first["References"] == end["References"] != f"<incident-1@{'ops.example'}>"
    assert first["Thread-Index"] == end["Thread-Index"]
    assert first["Message-ID"] != end["Message-ID"]
    assert first["Date"].datetime.tzinfo is not None
    assert str(first["From"]) == "Tocsin <tocsin@ops.example>"
