"""Healthchecks' ping URLs: a job reports that it is alive, starts, fails or is done; no body is needed.

`/ping/UUID` (no key needed), `/ping/KEY/SLUG`, and `/in/KEY/UUID`, `/in/KEY/SLUG`, optionally followed by `/start`, `/fail`,
`/log` or an exit status from 0 to 255. `?rid=UUID` distinguishes overlapping runs; `?create=1` creates the heartbeat if it does
not exist (every 1d, grace 1h). Methods: GET, HEAD or POST; the first 10,000 bytes of the body are stored. KEY is the key of any
integration. The management API is at `/in/KEY/api/v3/` (also v1 and v2), with the key of an integration of this kind.
"""

import re
from dataclasses import dataclass
from typing import Literal

SLUG = 100  # characters: no heartbeat has a longer one
NOT_FOUND, BAD_ADDRESS, BAD_RUN = "not found", "invalid url format", "invalid uuid format"

_UUID = re.compile(r"(?i:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})")
_WHO = rf"(?:(?P<uuid>{_UUID.pattern})|(?P<key>[\w-]+)/(?P<slug>[\w-]+))"
_PATH = re.compile(rf"{_WHO}(?:/(?P<say>start|fail|log|[0-9]+))?/?", re.ASCII)

Kind = Literal["success", "start", "fail", "log"]


@dataclass(frozen=True, slots=True)
class Address:
    """What a ping's address says. With a slug there is a key."""

    kind: Kind
    uuid: str | None = None
    key: str | None = None
    slug: str | None = None
    exit_status: int | None = None
    rid: str | None = None
    create: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an address is no ping: a status and the text of the answer."""

    status: int
    text: str


def parse(path: str, rid: str | None = None, create: str | None = None) -> Address | Refused:
    """Read `UUID[/...]` or `KEY/SLUG[/...]` and the query's two words, as Healthchecks does."""
    found = _PATH.fullmatch(path)
    if found is None:
        return Refused(404, NOT_FOUND)
    slug, say = found["slug"], found["say"] or ""
    status = (int(say) if len(say) < 10 else 256) if say.isdigit() else None
    if (slug is not None and (slug != slug.lower() or len(slug) > SLUG)) or (status is not None and status > 255):
        return Refused(400, BAD_ADDRESS)
    if rid is not None and not _UUID.fullmatch(rid):
        return Refused(400, BAD_RUN)
    return Address(
        kind=_kind(say, status),
        uuid=found["uuid"],
        key=found["key"],
        slug=slug,
        exit_status=status,
        rid=rid.lower() if rid is not None else None,
        create=create == "1",
    )


def _kind(say: str, status: int | None) -> Kind:
    if status is not None:
        return "fail" if status > 0 else "success"
    return say or "success"  # type: ignore[return-value]  # the pattern allows no other word
