"""A server's certificate and TLS: trusted, not about to expire, no outdated or weak versions and ciphers.

Metrics: `certificate_days` until the first certificate in the chain expires (negative if it has expired); `key_bits`,
`chain_valid`, `name_matches`, `old_protocol`, `weak_cipher`, `weak_key` and `client_certificate_required` (0 or 1),
`tls_version` (1.2, 1.3).

Critical: no TLS; an untrusted chain (self-signed, incomplete, not valid yet); a different name, issuer or fingerprint than
required; `critical_days` or less left; or the server rejects the configured client certificate. Warning: `warn_days` or less
left. If a server requires a client certificate and none is set, only what it shows before that is checked. `weak` sets the
status of weak cryptography (TLS 1.0 and 1.1, RC4, 3DES, RSA under 2048 bits, SHA-1 ...).
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256
from cryptography.x509.oid import NameOID
from pydantic import AfterValidator, model_validator

from app.checks.probe import (
    Field,
    Reading,
    Run,
    Spec,
    Status,
    Unknown,
    Unreachable,
    counted,
    lower_first,
    probe,
    stamp,
    unanswered,
)
from app.failure import Failed, Kind
from app.net import tls
from app.net.address import literal
from app.net.handshake import Handshake, handshake
from app.net.hello import old_protocol, weak_cipher
from app.net.starttls import Protocol
from app.net.url import Host

DAY = 86_400
VERSIONS = {"TLSv1": 1.0, "TLSv1.1": 1.1, "TLSv1.2": 1.2, "TLSv1.3": 1.3}
TLS_1_3 = "TLSv1.3"  # the client's certificate is refused after the handshake; a connection that closes then may just be done
LEAST_RSA, LEAST_EC = 2048, 224  # bits


def _fingerprint(text: str) -> str:
    plain = re.sub(r"^sha256[:=]|[:\s]", "", text.strip().lower())
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise ValueError("a fingerprint is SHA-256: 64 hexadecimal digits, with or without colons")
    return plain


class Target(Spec):
    """Which server, and what is too soon."""

    host: Host = Field(description="name or address to connect to", examples=["shop.example.org"])
    port: int = Field(default=443, ge=1, le=65535, description="TCP port")
    starttls: Protocol | None = Field(
        default=None, description="protocol in which to start TLS (STARTTLS); unset = TLS from the first byte"
    )
    server_name: Host | None = Field(default=None, description="name to request (SNI) and verify; unset = host")
    warn_days: float = Field(default=21, ge=0, description="days left at which it warns", examples=[30])
    critical_days: float = Field(default=7, ge=0, description="days left at which it is critical")
    ca: str | None = Field(default=None, description="path of a CA bundle to use instead of the system's")
    client_cert: str | None = Field(
        default=None,
        min_length=1,
        description="path of a PEM file with the certificate for servers that require a client certificate",
    )
    client_key: str | None = Field(
        default=None, min_length=1, description="path of its key, unencrypted; unset = the key is in `client_cert`"
    )
    verify: bool = Field(default=True, description="verify chain and name; false = check only expiry and weaknesses")
    issuer: str | None = Field(
        default=None, min_length=1, description="text that the issuer's name must contain, e.g. Let's Encrypt"
    )
    fingerprint: Annotated[str, AfterValidator(_fingerprint)] | None = Field(
        default=None, description="SHA-256 fingerprint that the certificate must have"
    )
    weak: Literal["ok", "warning", "critical"] = Field(
        default="warning", description="status of weak protocols, ciphers and keys"
    )
    old_protocols: bool = Field(default=False, description="allow TLS 1.0 and 1.1")

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.client_key and not self.client_cert:
            raise ValueError("client_key is the key of a client_cert, which is not set")
        return self

    @property
    def identity(self) -> tls.Identity | None:
        """The client certificate."""
        return tls.Identity(self.client_cert, self.client_key) if self.client_cert else None


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What the server showed."""

    chain: tuple[x509.Certificate, ...]  # its own first, then each one's issuer
    version: str
    chain_error: str  # why the chain is not trusted; empty when it is
    refused: str  # why it broke off; empty: it did not
    wants_certificate: bool  # a client's certificate

    @property
    def certificate(self) -> x509.Certificate:
        """The server's own."""
        return self.chain[0]

    @property
    def first(self) -> x509.Certificate:
        """The one that ends first."""
        return tls.first_to_expire(self.chain)


@dataclass(slots=True)
class Findings:
    """Findings by status."""

    critical: list[str] = field(default_factory=list)
    warning: list[str] = field(default_factory=list)

    def reading(self, ok_message: str, metrics: dict[str, float]) -> Reading:
        """The reading of all findings, or `ok_message` without any."""
        status = Status.CRITICAL if self.critical else Status.WARNING if self.warning else Status.OK
        return Reading(status, "; ".join(self.critical + self.warning) or ok_message, metrics)


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    name = spec.server_name or spec.host
    try:
        server = await _inspect(spec, name, run.timeout * 0.3)
        old, cipher = await _weaknesses(spec, name, run.timeout * 0.3)
    except Failed as failed:
        raise unanswered(failed) from None
    fits = matches(name, server.certificate)
    key = weak_key(server.certificate)[0]
    findings = Findings()
    days = _judge_time(spec, server, findings)
    _judge_trust(spec, server, "" if fits else name, findings)
    if server.refused and spec.identity and (server.wants_certificate or server.version == TLS_1_3):
        findings.critical.append(f"it rejects the client certificate: {server.refused}")
    elif server.refused and not server.wants_certificate and server.version != TLS_1_3:
        findings.critical.append(f"it aborted the handshake: {server.refused}")
    weak = [f"it still accepts {old}"] if old else []
    weak += [f"it accepts a weak cipher ({cipher})"] if cipher else []
    weak += [key] if key else []
    if spec.weak != "ok":
        (findings.critical if spec.weak == "critical" else findings.warning).extend(weak)
    wants = ", requests a client certificate" if server.wants_certificate else ""
    summary = f"{counted(round(days), 'day')} left, {server.version}{wants}"
    return findings.reading(summary, _metrics(server, days, fits, old, cipher))


def _metrics(server: ServerTls, days: float, fits: bool, old: str | None, cipher: str | None) -> dict[str, float]:
    key, bits = weak_key(server.certificate)
    return {
        "certificate_days": days,
        "key_bits": float(bits),
        "chain_valid": float(not server.chain_error),
        "name_matches": float(fits),
        "old_protocol": float(old is not None),
        "weak_cipher": float(cipher is not None),
        "weak_key": float(bool(key)),
        "client_certificate_required": float(server.wants_certificate),
        "tls_version": VERSIONS.get(server.version, 0.0),
    }


async def _weaknesses(spec: Target, name: str, timeout: float) -> tuple[str | None, str | None]:
    """The old protocol and the weak cipher that it agrees to."""
    pending = [weak_cipher(spec.host, spec.port, name, timeout, spec.starttls)]
    if not spec.old_protocols:
        pending.append(old_protocol(spec.host, spec.port, name, timeout, spec.starttls))
    cipher, *old = await asyncio.gather(*pending)
    return (old[0] if old else None), cipher


def _judge_time(spec: Target, server: ServerTls, findings: Findings) -> float:
    """How many days are left until the first certificate of the chain ends."""
    now = datetime.now(UTC)
    days = (server.first.not_valid_after_utc - now).total_seconds() / DAY
    count = counted(round(abs(days)), "day")
    before = (
        ""
        if server.first is server.certificate
        else f": {_certificate_name(server, server.first)} expires before the server's own"
    )
    left = f"{count} left{before}" if days >= 0 else f"{_certificate_name(server, server.first)} expired {count} ago"
    if days <= spec.warn_days:
        (findings.critical if days <= spec.critical_days else findings.warning).append(left)
    for one in server.chain:
        if one.not_valid_before_utc > now:
            begins = stamp(one.not_valid_before_utc)
            findings.critical.append(f"{_certificate_name(server, one)} is not valid before {begins}")
    return days


def _certificate_name(server: ServerTls, one: x509.Certificate) -> str:
    return "the certificate" if one is server.certificate else f"the chain's certificate {one.subject.rfc4514_string()}"


def _judge_trust(spec: Target, server: ServerTls, unfit: str, findings: Findings) -> None:
    issuer = server.certificate.issuer.rfc4514_string()
    if spec.verify and server.chain_error:
        more = (
            f" (issuer {issuer}; check that the server sends the whole chain)" if "local issuer" in server.chain_error else ""
        )
        findings.critical.append(f"the chain is not trusted: {server.chain_error}{more}")
    if spec.verify and unfit:
        findings.critical.append(f"the certificate is not for {unfit}")
    if spec.issuer and spec.issuer.lower() not in issuer.lower():
        findings.critical.append(f"its issuer is {issuer}, not {spec.issuer}")
    found = server.certificate.fingerprint(SHA256()).hex()
    if spec.fingerprint and spec.fingerprint != found:
        findings.critical.append(f"its fingerprint is {found}, not the expected one")


def weak_key(certificate: x509.Certificate) -> tuple[str, int]:
    """What is weak about the certificate's key or signature (empty: nothing), and the key's bits."""
    key = certificate.public_key()
    bits = int(getattr(key, "key_size", 256))
    weak = isinstance(key, dsa.DSAPublicKey) or (isinstance(key, rsa.RSAPublicKey) and bits < LEAST_RSA)
    weak = weak or (isinstance(key, ec.EllipticCurvePublicKey) and bits < LEAST_EC)
    problems = [f"its key is weak ({type(key).__name__.strip('_').removesuffix('PublicKey')}, {bits} bits)"] if weak else []
    signed = certificate.signature_hash_algorithm
    if isinstance(signed, MD5 | SHA1) and certificate.issuer != certificate.subject:  # a root's own signature is not checked
        problems.append(f"it is signed with {signed.name.upper()}")
    return ", ".join(problems), bits


async def _inspect(spec: Target, name: str, timeout: float) -> ServerTls:
    """Connect with verification of the chain; when it fails, again without verification, to see why."""
    strict, lenient = _contexts(spec)
    try:
        return _server_tls(await handshake(spec.host, spec.port, spec.starttls, strict, name, timeout), "")
    except Failed as failed:
        if failed.kind is not Kind.TLS:
            raise
        lenient_look = await handshake(spec.host, spec.port, spec.starttls, lenient, name, timeout)
        return _server_tls(lenient_look, failed.why)


def _contexts(spec: Target) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """One that verifies the chain, and one that accepts any."""
    try:
        lenient = tls.unverified_context(spec.identity)
    except OSError as error:
        files = " with ".join(filter(None, (spec.client_cert, spec.client_key)))
        why = tls.reason(error) if isinstance(error, ssl.SSLError) else lower_first(error.strerror or "not in PEM format")
        raise Unknown(f"{files} cannot be used as a client certificate: {why}") from None
    try:
        return tls.context(name=False, ca=spec.ca, identity=spec.identity), lenient
    except OSError as error:
        raise Unknown(f"{spec.ca} cannot be read as a CA bundle: {error.strerror}") from None


def _server_tls(shown: Handshake, chain_error: str) -> ServerTls:
    if not shown.chain:
        raise Unreachable("it presents no certificate")
    try:
        chain = tls.path(shown.chain)
    except ValueError:
        raise Unreachable("its certificate cannot be parsed") from None
    return ServerTls(chain, shown.version, chain_error, shown.refused, shown.wants_certificate)


def matches(name: str, certificate: x509.Certificate) -> bool:
    """Is the certificate for this name? Source: RFC 6125 6.4: a star stands for the whole first label; the subject's
    common name counts only where there is no alternative name at all.
    """
    ip = literal(name)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return any(_same(name, str(one.value)) for one in common)
    if ip is not None:
        return ip in names.get_values_for_type(x509.IPAddress)
    return any(_same(name, pattern) for pattern in names.get_values_for_type(x509.DNSName))


def _same(name: str, pattern: str) -> bool:
    name, pattern = name.lower().rstrip("."), pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:] != ""
    return name == pattern
