"""The variables Tocsin reads (docs/reference: environment), what each may be, and what follows from them."""

import hmac
import os
import secrets
import socket
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b, sha256
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import kept
from app.errors import Invalid, Unusable
from app.secret import STARS, is_secret_name, starred_url
from app.urls import is_broker, is_postgres, is_web
from app.validation import explain


def _absolute(value: object) -> object:
    return None if value is None else Path(str(value)).expanduser().absolute()


def _as_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """`10.0.0.0/8, 192.0.2.7` -> networks. Raises ValueError that names what is none."""
    found = []
    for word in filter(None, (one.strip() for one in text.split(","))):
        try:
            found.append(ip_network(word, strict=False))
        except ValueError:
            raise ValueError(f"{word!r} is not an address or CIDR; write 10.0.0.0/8 or 192.0.2.7") from None
    return tuple(found)


def _networks(value: str | None) -> str | None:
    _as_networks(value or "")
    return value


READER = "tocsin_reader"
KEY = "secret-key"  # the file of the secret key in the home
PREFIX = "TOCSIN_"
LONGEST = 36_500  # days; a hundred years
FolderPath = Annotated[Path, BeforeValidator(_absolute)]
FilePath = Annotated[Path | None, BeforeValidator(_absolute)]
WebUrl = Annotated[str | None, AfterValidator(is_web)]


class Settings(BaseSettings):
    """`TOCSIN_*` variables; an unset URL means the embedded server."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    home: FolderPath = Field(default=Path(".tocsin").absolute(), description="embedded data, keys, initial passwords")
    host: str = Field(default="127.0.0.1", description="address the console listens on")
    port: int = Field(default=8080, ge=1, le=65535, description="port of the console, API and intake")
    tls_cert: FilePath = Field(
        default=None, description="certificate chain, PEM; with TOCSIN_TLS_KEY the console is served over HTTPS"
    )
    tls_key: FilePath = Field(default=None, description="its private key, PEM, without a passphrase")
    flower_port: int = Field(default=5555, ge=1, le=65535, description="port of Flower, on loopback")
    config: FolderPath = Field(
        default=Path("infra/monitoring/alerting").absolute(), description="configuration folder (alerting as code)"
    )
    database_url: Annotated[SecretStr | None, AfterValidator(is_postgres)] = Field(default=None, description="PostgreSQL >= 15")
    broker_url: Annotated[SecretStr | None, AfterValidator(is_broker)] = Field(
        default=None, description="redis://, rediss:// or amqp://"
    )
    secret_key: SecretStr | None = Field(default=None, description="signs links and sessions; default: HOME/secret-key")
    location_key: SecretStr | None = Field(
        default=None,
        description="for a remote worker: key of its location (`tocsin locations key`); separate several with commas",
    )
    base_url: WebUrl = Field(default=None, description="base URL of links in pages; default: http://HOST:PORT")
    trusted_proxies: Annotated[str | None, AfterValidator(_networks)] = Field(
        default=None,
        description="proxies whose X-Forwarded-For, -Proto and -Host are trusted: addresses or CIDR, comma-separated",
    )
    watcher_url: WebUrl = Field(
        default=None, description="URL of an external dead man's switch, which Tocsin pings while it works"
    )
    smtp_port: int | None = Field(default=None, ge=1, le=65535, description="inbound mail; off when unset")
    retain_results_days: int = Field(default=30, ge=1, le=LONGEST, description="days to keep check results and samples")
    retain_rollups_days: int = Field(default=90, ge=1, le=LONGEST, description="days to keep samples rolled up to 5 minutes")
    retain_signals_days: int = Field(default=30, ge=1, le=LONGEST, description="days to keep raw requests of integrations")
    retain_incidents_days: int = Field(
        default=400,
        ge=1,
        le=LONGEST,
        description="days to keep resolved incidents, with their alerts, timelines, escalations and pages",
    )
    retain_audit_days: int = Field(default=730, ge=1, le=LONGEST, description="days to keep the audit log")
    retain_hours_days: int = Field(default=400, ge=1, le=LONGEST, description="days to keep samples rolled up to 1 hour")

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    @property
    def embedded_broker(self) -> bool:
        return self.broker_url is None

    @cached_property
    def sockets(self) -> Path:
        """Folder of the embedded servers' Unix sockets; short, because a socket path ends at 107 bytes."""
        digest = blake2b(str(self.home).encode(), digest_size=6).hexdigest()
        return Path(f"/tmp/tocsin-{os.getuid()}") / digest  # noqa: S108 - made 0700 and checked by the supervisor

    @cached_property
    def database(self) -> str:
        """SQLAlchemy URL of the database in use."""
        if self.database_url is not None:
            return _with_psycopg(self.database_url.get_secret_value())
        return f"postgresql+psycopg://tocsin@/tocsin?host={self.sockets}"

    @cached_property
    def libpq(self) -> str:
        """The same for libpq, for sessions beside SQLAlchemy's."""
        return self.database.replace("postgresql+psycopg://", "postgresql://", 1)

    @cached_property
    def reader(self) -> str:
        """libpq URL of the same database as role `tocsin_reader`; its password follows from the secret key."""
        if self.database_url is None:
            return f"postgresql://{READER}@/tocsin?host={self.sockets}"
        parts = urlsplit(self.database_url.get_secret_value())
        where = parts.netloc.rpartition("@")[2]
        return urlunsplit(("postgresql", f"{READER}:{self.reader_password}@{where}", parts.path, parts.query, ""))

    @cached_property
    def reader_password(self) -> str:
        """64 hex digits."""
        return hmac.new(self.key, b"reader", sha256).hexdigest()

    @cached_property
    def broker(self) -> str:
        """Kombu URL of the broker in use."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        return f"redis+socket://{self.sockets}/valkey.sock"

    @cached_property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The proxies whose word counts."""
        return _as_networks(self.trusted_proxies or "")

    @cached_property
    def location_keys(self) -> tuple[str, ...]:
        """The keys of the locations this worker serves; none where the secret key is, from which they follow."""
        given = self.location_key.get_secret_value() if self.location_key else ""
        return tuple(one.strip() for one in given.split(",") if one.strip())

    @cached_property
    def url(self) -> str:
        """Where people reach the console; no slash at the end."""
        if self.base_url:
            return self.base_url.rstrip("/")
        scheme = "https" if self.tls_cert else "http"
        return f"{scheme}://{self.host}:{self.port}"

    @cached_property
    def key(self) -> bytes:
        """The secret key; made once, mode 0600, when neither the environment nor the home has one."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        return home_secret(self.home, KEY).encode()

    def variables(self) -> dict[str, str]:
        """The variables that were given, by name, as an environment has them: what makes another process read the same."""
        return {PREFIX + name.upper(): text(getattr(self, name)) for name in sorted(self.model_fields_set)}


def home_secret(home: Path, name: str) -> str:
    """The value of HOME/name, made from 256 random bits on first use (mode 0600, created whole or not at all).

    Raises Unusable when it cannot be read or made, or is empty (what an empty key signs, anybody can sign), and when the
    secret key of a home that has had a database is gone: a new one would open nothing that is sealed there.
    """
    path = home / name
    try:
        if not path.exists():
            if name == KEY and kept.has_had_database(home):
                raise Unusable(
                    f"{path} is missing; restore it, or start over with `tocsin up --fresh`, which loses all encrypted secrets"
                )
            make_secret(home, name)
        value = path.read_text().strip()
    except OSError as error:
        raise kept.unusable(home, error) from error
    if not value:
        raise Unusable(
            f"{path} is empty; restore it, or remove it and run `tocsin up --fresh`, which loses all encrypted secrets"
        )
    return value


def make_secret(home: Path, name: str) -> None:
    """Make HOME/name unless it is there."""
    path = home / name
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".{path.name}.{socket.gethostname()}.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(32))
    try:
        os.link(draft, path)  # fails if another process was first: then theirs counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _with_psycopg(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


def parse(variables: Mapping[str, str], alone: bool = False) -> Settings:
    """Settings from `variables` over the environment, or from them alone. Raises Invalid that names each wrong variable."""
    values: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in variables.items() if value}
    if alone:
        values["_env_prefix"] = "\0"  # no variable begins so
    try:
        return Settings(**values)
    except ValidationError as error:
        raise Invalid("; ".join(_wrong(one) for one in error.errors())) from None


def text(value: object) -> str:
    """A setting as its variable has it."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def same(one: object, other: object) -> bool:
    """Whether two settings are the same, in whichever of its ways either is written."""
    return _with_psycopg(text(one)).rstrip("/") == _with_psycopg(text(other)).rstrip("/")


def shown(name: str, value: object) -> str:
    """A setting for people: no secrets. name: of the field, or of a variable that only the configuration reads."""
    if value is None:
        return "unset"
    if is_secret_name(name) or (name.lower().endswith("key") and name != "tls_key"):
        return STARS
    plain = text(value)
    if name == "watcher_url":
        return "/".join((*plain.split("/")[:3], STARS))  # whoever knows its path can silence it
    if name in ("database_url", "broker_url") and "://" not in plain:
        return STARS  # whatever it is, a password may be in it
    return starred_url(plain) if "://" in plain else plain


def _wrong(error: Mapping[str, Any]) -> str:
    """One line about one wrong variable."""
    name = str(error["loc"][0]) if error["loc"] else ""
    field = Settings.model_fields.get(name)
    limits = {type(one).__name__: one for one in field.metadata} if field else {}
    reason = explain(error)
    if "Ge" in limits and "Le" in limits:
        reason = f"must be a whole number from {limits['Ge'].ge} to {limits['Le'].le}"
    return f"{PREFIX}{name.upper()}={shown(name, error['input'])}: {reason}"
