"""Files that must not be on the web: .git, .env, keys, backups, dumps, status pages.

Metrics: `exposed_paths`, `asked_paths`; `exposed` is 1 for each path that was found, with the label `path`.

Critical: files with secrets or source code. Warning: files that reveal internals. A file is recognized by its content, so a
site that responds 200 to everything does not alert. Unknown: no response, or not to every path in time. At most two requests
run at a time, and each reads `max_bytes` at most.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import re2

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, probe, worst
from app.net.ask import MARGIN, Server
from app.net.http import Failed, Kind, Response, fetch
from app.net.pattern import QUIET, Pattern

MAX_CONCURRENT = 2
SHARE = 0.3  # of the time that is left, for one path: one that hangs leaves time for the others
BUSY = (429, 502, 503, 504)  # the server was too busy
HTML = re.compile(r"\s*<(?:!doctype|html|head|\?xml)", re.IGNORECASE)
KEY = r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
SETTING = r"(?m)^\s*(?:export\s+)?[A-Z][A-Z0-9_]{2,}\s*="
DUMP = r"(?m)^(?:-- (?:MySQL|MariaDB|PostgreSQL) (?:database )?dump|(?:CREATE TABLE|INSERT INTO|DROP TABLE)\b)"
ARCHIVE = r"^(?:PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|(?s:.{257})ustar)"  # zip, gzip, 7z, rar, tar
SOURCE = r"<\?php|DB_PASSWORD"
SUBVERSION = r"^(?:SQLite format 3|\d+\r?\n)"


@dataclass(frozen=True, slots=True)
class Signature:
    """The content by which a file is recognised, and what it reveals."""

    pattern: str  # RE2, over the body's bytes read as Latin-1
    reveals: str
    grade: Literal["critical", "warning"] = "critical"
    html: bool = False  # it is a page; all others are not what begins as one


GIT, PASSWORDS, BACKUP = "the source and its history", "settings with passwords", "a backup"
SIGNATURES = {
    "/.git/HEAD": Signature(r"^(?:ref: refs/|[0-9a-f]{40}\s*$)", GIT),
    "/.git/config": Signature(r"(?m)^\[core\]", GIT),
    "/.svn/wc.db": Signature(SUBVERSION, GIT),
    "/.svn/entries": Signature(SUBVERSION, GIT),
    "/.hg/requires": Signature(r"(?m)^(?:revlogv1|dotencode|fncache|share-safe)$", GIT),
    "/.env": Signature(SETTING, PASSWORDS),
    "/.env.production": Signature(SETTING, PASSWORDS),
    "/.env.bak": Signature(SETTING, PASSWORDS),
    "/wp-config.php.bak": Signature(SOURCE, PASSWORDS),
    "/wp-config.php~": Signature(SOURCE, PASSWORDS),
    "/config.php.bak": Signature(SOURCE, PASSWORDS),
    "/.htpasswd": Signature(r"(?m)^[^:\s<>]+:(?:\$apr1\$|\$2[aby]\$|\$[156]\$|\{SHA\})", "users' password hashes"),
    "/.aws/credentials": Signature(r"(?mi)^\s*aws_(?:access_key_id|secret_access_key)\s*=", "keys of a cloud account"),
    "/.docker/config.json": Signature(r'"auths"\s*:', "passwords of image registries"),
    "/.npmrc": Signature(r"_authToken\s*=|_password\s*=", "a package registry's token"),
    "/.git-credentials": Signature(r"(?m)^https?://[^\s:@/]+:[^\s@]+@", "passwords of source repositories"),
    "/.ssh/id_rsa": Signature(KEY, "a private key"),
    "/.ssh/id_ed25519": Signature(KEY, "a private key"),
    "/id_rsa": Signature(KEY, "a private key"),
    "/server.key": Signature(KEY, "a private key"),
    "/backup.sql": Signature(DUMP, "a database"),
    "/dump.sql": Signature(DUMP, "a database"),
    "/database.sql": Signature(DUMP, "a database"),
    "/backup.zip": Signature(ARCHIVE, BACKUP),
    "/backup.tar.gz": Signature(ARCHIVE, BACKUP),
    "/actuator/env": Signature(r'"propertySources"\s*:', "the application's settings"),
    "/.DS_Store": Signature(r"^\x00\x00\x00\x01Bud1", "names of files", "warning"),
    "/server-status": Signature(
        r"Apache Server Status|^Active connections: \d", "other visitors' requests", "warning", html=True
    ),
    "/phpinfo.php": Signature(r"<title>(?:PHP [\d.]+ - )?phpinfo\(\)", "the server's settings", "warning", html=True),
    "/info.php": Signature(r"<title>(?:PHP [\d.]+ - )?phpinfo\(\)", "the server's settings", "warning", html=True),
    "/debug/pprof/": Signature(r"Types of profiles available", "the program's memory", "warning", html=True),
}

Path = Annotated[str, Field(pattern=r"^/[!-\[\]-~]*$", max_length=500)]


class Site(Server, Spec):
    """Which site, and which files besides the usual ones."""

    paths: dict[Path, Pattern] = Field(
        default={},
        description="additional paths, each with an RE2 pattern for the file's content; empty pattern = any 2xx"
        " response that differs from the site's page for missing files",
    )
    skip: list[Path] = Field(
        default=[],
        description="default paths not to request, because they are meant to be public",
        examples=[["/server-status"]],
    )
    max_bytes: int = Field(default=4096, ge=64, le=65_536, description="maximum bytes of each file to read")


@dataclass
class _PathScan:
    """What is to be asked and what was found, for the workers that share it."""

    spec: Site
    until: float
    not_found: Response  # the site's answer for what does not exist
    left: Iterator[tuple[str, Signature]]
    found: dict[str, Signature] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    asked: int = 0


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Site, run: Run) -> Reading:
    until = time.monotonic() + run.timeout * MARGIN
    wanted = {path: signature for path, signature in SIGNATURES.items() if path not in spec.skip}
    wanted |= {path: Signature(pattern, "matched by its own pattern", html=True) for path, pattern in spec.paths.items()}
    try:
        not_found = await _ask(spec, f"/{secrets.token_hex(8)}", until)
    except Failed as failed:
        raise Unknown(str(failed)) from None
    if not_found.status in BUSY:
        raise Unknown(f"the server returned {not_found.status}")
    scan = _PathScan(spec, until, not_found, iter(wanted.items()))
    await asyncio.gather(*(_worker(scan) for _ in range(MAX_CONCURRENT)))
    return _reading(scan, len(wanted))


async def _ask(spec: Site, path: str, until: float) -> Response:
    base = spec.url.partition("?")[0].partition("#")[0].rstrip("/")
    remaining = until - time.monotonic()
    if remaining <= 0:
        raise Failed(Kind.TIMEOUT, "timed out")
    request = spec.request(base + path, remaining * SHARE)
    return await fetch(replace(request, fresh=False))  # one connection for all of them


async def _worker(scan: _PathScan) -> None:
    for path, signature in scan.left:
        try:
            response = await _ask(scan.spec, path, scan.until)
        except Failed as failed:
            scan.failed.append(f"{path}: {failed}")
            continue
        if response.status in BUSY:
            scan.failed.append(f"{path}: {response.status}")
            continue
        scan.asked += 1
        if _is_exposed(path, signature, response, scan.not_found):
            scan.found[path] = signature


def _is_exposed(path: str, signature: Signature, response: Response, not_found: Response) -> bool:
    if not 200 <= response.status < 300 or not response.body:
        return False
    if not 200 <= not_found.status < 300:
        return _has_signature(response, signature)
    if not signature.pattern:
        return _normalized(response, path) != _normalized(not_found, f"/{not_found.url.rpartition('/')[2]}")
    return _has_signature(response, signature) and not _has_signature(not_found, signature)


def _has_signature(response: Response, signature: Signature) -> bool:
    raw = response.body.decode("latin-1")
    readings = {raw, response.text}
    if not signature.html and any(HTML.match(text) for text in readings):
        return False
    return any(re2.search(signature.pattern, text, QUIET) for text in readings)


def _normalized(response: Response, path: str) -> str:
    """A page without what differs from one visit to the next: the path asked for, numbers, tokens."""
    return re.sub(r"[0-9a-f]{6,}|\d+", "", response.text.replace(path, "").replace(path.strip("/"), ""))


def _reading(scan: _PathScan, total: int) -> Reading:
    missed = total - scan.asked
    statuses = [Status(signature.grade) for signature in scan.found.values()]
    if missed:
        statuses.append(Status.UNKNOWN)
    names = [f"{path} ({signature.reveals})" for path, signature in sorted(scan.found.items(), key=lambda one: one[1].grade)]
    texts = [f"publicly readable: {', '.join(names)}; remove it or deny access"] if names else []
    if missed:
        texts.append(f"{missed} of {total} paths got no response: {scan.failed[0]}")
    return Reading(
        worst(statuses),
        "; ".join(texts) or f"none of {total} paths is exposed",
        {"exposed_paths": len(scan.found), "asked_paths": scan.asked},
        tuple(Series("exposed", 1, {"path": path}) for path in scan.found),
    )
