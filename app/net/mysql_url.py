"""mysql:// and mariadb:// URLs as people write them into checks: judged when read, before anything connects."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator

from app.net.guard import refuse_literal

MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")  # as in the programs of MySQL


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says."""

    host: str  # empty for a Unix socket
    port: int
    path: str
    username: str
    password: str
    database: str
    mode: str
    ca: str | None


def parse(url: str) -> Target:
    """Read mysql:// and mariadb:// URLs. Raises ValueError that says what is wrong; never quotes the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError:
        parts, port = urlsplit(""), 0
    asked = {name.replace("_", "-").lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    path, mode, ca = (asked.pop(name, default) for name, default in (("socket", ""), ("ssl-mode", "PREFERRED"), ("ssl-ca", "")))
    if parts.scheme not in ("mysql", "mariadb") or not parts.username or not (parts.hostname or path):
        raise ValueError("not a MySQL URL; write mysql://USER:PASSWORD@HOST:3306/DATABASE")
    if asked:
        raise ValueError(f"{min(asked)!r} is not known here; there are ssl-mode, ssl-ca and socket")
    if mode.upper() not in MODES:
        raise ValueError(f"ssl-mode is one of {', '.join(MODES)}")
    refuse_literal(parts.hostname or "")
    return Target(
        host="" if path else parts.hostname or "",
        port=port,
        path=path,
        username=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")),
        mode=mode.upper(),
        ca=ca or None,
    )


def mysql_url(text: str) -> str:
    """The URL, when it is a MySQL one. Raises ValueError."""
    parse(text)
    return text


MysqlUrl = Annotated[str, AfterValidator(mysql_url)]
