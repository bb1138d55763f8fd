"""Looks for files that should never be on the web: .git, .env, keys, backups, dumps, status pages.

Metrics: `exposed_paths`, `asked_paths`; `exposed` is 1 for each that was found, labelled `path`. Critical: what holds secrets
or source; warning: what tells of the inside. A file is known by what it holds: a site that answers 200 to everything is not
alarming. Unknown: no answer, or not to every path in time. Two requests at a time, each of which reads `max_bytes` at most.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import re2

from app.checks.probe import CannotTell, Field, Reading, Run, Series, Spec, Status, probe, worst
from app.net.ask import MARGIN, Server
from app.net.http import Failed, Kind, Response, fetch
from app.net.pattern import QUIET, Pattern

AT_ONCE = 2
SHARE = 0.3  # of the time that is left, for one path: one that hangs leaves time for the others
BUSY = (429, 502, 503, 504)  # the server did not look
HTML = re.compile(r"\s*<(?:!doctype|html|head|\?xml)", re.IGNORECASE)
KEY = r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
SETTING = r"(?m)^\s*(?:export\s+)?[A-Z][A-Z0-9_]{2,}\s*="
DUMP = r"(?m)^(?:-- (?:MySQL|MariaDB|PostgreSQL) (?:database )?dump|(?:CREATE TABLE|INSERT INTO|DROP TABLE)\b)"
ARCHIVE = r"^(?:PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|(?s:.{257})ustar)"  # zip, gzip, 7z, rar, tar
SOURCE = r"<\?php|DB_PASSWORD"
SUBVERSION = r"^(?:SQLite format 3|\d+\r?\n)"


@dataclass(frozen=True, slots=True)
class Sign:
    """How a file is known, and what its finder has."""

    pattern: str  # RE2, over the body's bytes read as Latin-1
    told: str
    grade: Literal["critical", "warning"] = "critical"
    html: bool = False  # it is a page; all others are not what begins as one


GIT, PASSWORDS, BACKUP = "the source and its history", "settings with passwords", "a backup"
SIGNS = {
    "/.git/HEAD": Sign(r"^(?:ref: refs/|[0-9a-f]{40}\s*$)", GIT),
    "/.git/config": Sign(r"(?m)^\[core\]", GIT),
    "/.svn/wc.db": Sign(SUBVERSION, GIT),
    "/.svn/entries": Sign(SUBVERSION, GIT),
    "/.hg/requires": Sign(r"(?m)^(?:revlogv1|dotencode|fncache|share-safe)$", GIT),
    "/.env": Sign(SETTING, PASSWORDS),
    "/.env.production": Sign(SETTING, PASSWORDS),
    "/.env.bak": Sign(SETTING, PASSWORDS),
    "/wp-config.php.bak": Sign(SOURCE, PASSWORDS),
    "/wp-config.php~": Sign(SOURCE, PASSWORDS),
    "/config.php.bak": Sign(SOURCE, PASSWORDS),
    "/.htpasswd": Sign(r"(?m)^[^:\s<>]+:(?:\$apr1\$|\$2[aby]\$|\$[156]\$|\{SHA\})", "users' password hashes"),
    "/.aws/credentials": Sign(r"(?mi)^\s*aws_(?:access_key_id|secret_access_key)\s*=", "keys of a cloud account"),
    "/.docker/config.json": Sign(r'"auths"\s*:', "passwords of image registries"),
    "/.npmrc": Sign(r"_authToken\s*=|_password\s*=", "a package registry's token"),
    "/.git-credentials": Sign(r"(?m)^https?://[^\s:@/]+:[^\s@]+@", "passwords of source repositories"),
    "/.ssh/id_rsa": Sign(KEY, "a private key"),
    "/.ssh/id_ed25519": Sign(KEY, "a private key"),
    "/id_rsa": Sign(KEY, "a private key"),
    "/server.key": Sign(KEY, "a private key"),
    "/backup.sql": Sign(DUMP, "a database"),
    "/dump.sql": Sign(DUMP, "a database"),
    "/database.sql": Sign(DUMP, "a database"),
    "/backup.zip": Sign(ARCHIVE, BACKUP),
    "/backup.tar.gz": Sign(ARCHIVE, BACKUP),
    "/actuator/env": Sign(r'"propertySources"\s*:', "the application's settings"),
    "/.DS_Store": Sign(r"^\x00\x00\x00\x01Bud1", "names of files", "warning"),
    "/server-status": Sign(r"Apache Server Status|^Active connections: \d", "other visitors' requests", "warning", html=True),
    "/phpinfo.php": Sign(r"<title>(?:PHP [\d.]+ - )?phpinfo\(\)", "the server's settings", "warning", html=True),
    "/info.php": Sign(r"<title>(?:PHP [\d.]+ - )?phpinfo\(\)", "the server's settings", "warning", html=True),
    "/debug/pprof/": Sign(r"Types of profiles available", "the program's memory", "warning", html=True),
}

Path = Annotated[str, Field(pattern=r"^/[!-\[\]-~]*$", max_length=500)]


class Site(Server, Spec):
    """Which site, and which files besides the usual ones."""

    paths: dict[Path, Pattern] = Field(
        default={},
        description="more paths, and the RE2 pattern by which the file is known; empty = any answer 2xx that is not the page "
        "for what does not exist",
    )
    skip: list[Path] = Field(default=[], description="usual paths that are not asked for, because they are meant to be open")
    max_bytes: int = Field(default=4096, ge=64, le=65_536, description="bytes that are read of each file")


@dataclass
class _Hunt:
    """What is to be asked and what was found, for the workers that share it."""

    spec: Site
    until: float
    nowhere: Response  # the site's answer for what does not exist
    left: Iterator[tuple[str, Sign]]
    found: dict[str, Sign] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    asked: int = 0


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Site, run: Run) -> Reading:
    until = time.monotonic() + run.timeout * MARGIN
    wanted = {path: sign for path, sign in SIGNS.items() if path not in spec.skip}
    wanted |= {path: Sign(pattern, "an own rule knows it", html=True) for path, pattern in spec.paths.items()}
    try:
        nowhere = await _ask(spec, f"/{secrets.token_hex(8)}", until)
    except Failed as failed:
        raise CannotTell(str(failed)) from None
    if nowhere.status in BUSY:
        raise CannotTell(f"the server answers {nowhere.status}")
    hunt = _Hunt(spec, until, nowhere, iter(wanted.items()))
    await asyncio.gather(*(_work(hunt) for _ in range(AT_ONCE)))
    return _reading(hunt, len(wanted))


async def _ask(spec: Site, path: str, until: float) -> Response:
    base = spec.url.partition("?")[0].partition("#")[0].rstrip("/")
    left = until - time.monotonic()
    if left <= 0:
        raise Failed(Kind.TIMEOUT, "the time was up")
    request = spec.request(base + path, left * SHARE)
    return await fetch(replace(request, fresh=False))  # one connection for all of them is kinder


async def _work(hunt: _Hunt) -> None:
    for path, sign in hunt.left:
        try:
            response = await _ask(hunt.spec, path, hunt.until)
        except Failed as failed:
            hunt.failed.append(f"{path}: {failed}")
            continue
        if response.status in BUSY:
            hunt.failed.append(f"{path}: {response.status}")
            continue
        hunt.asked += 1
        if _is_exposed(path, sign, response, hunt.nowhere):
            hunt.found[path] = sign


def _is_exposed(path: str, sign: Sign, response: Response, nowhere: Response) -> bool:
    if not 200 <= response.status < 300 or not response.body:
        return False
    if not 200 <= nowhere.status < 300:
        return _bears(response, sign)
    if not sign.pattern:
        return _without(response, path) != _without(nowhere, f"/{nowhere.url.rpartition('/')[2]}")
    return _bears(response, sign) and not _bears(nowhere, sign)


def _bears(response: Response, sign: Sign) -> bool:
    raw = response.body.decode("latin-1")
    readings = {raw, response.text}
    if not sign.html and any(HTML.match(text) for text in readings):
        return False
    return any(re2.search(sign.pattern, text, QUIET) for text in readings)


def _without(response: Response, path: str) -> str:
    """A page without what differs from one visit to the next: the path asked for, numbers, tokens."""
    return re.sub(r"[0-9a-f]{6,}|\d+", "", response.text.replace(path, "").replace(path.strip("/"), ""))


def _reading(hunt: _Hunt, total: int) -> Reading:
    missed = total - hunt.asked
    statuses = [Status(sign.grade) for sign in hunt.found.values()]
    if missed:
        statuses.append(Status.UNKNOWN)
    names = [f"{path} ({sign.told})" for path, sign in sorted(hunt.found.items(), key=lambda one: one[1].grade)]
    told = [f"open to everybody: {', '.join(names)}; take it away or deny it"] if names else []
    if missed:
        told.append(f"{missed} of {total} paths got no answer: {hunt.failed[0]}")
    return Reading(
        worst(statuses),
        "; ".join(told) or f"none of {total} paths is open",
        {"exposed_paths": len(hunt.found), "asked_paths": hunt.asked},
        tuple(Series("exposed", 1, {"path": path}) for path in hunt.found),
    )
