"""Shows a certificate that is believed, fits the name and does not end soon, and speaks no outdated or weak TLS.

Metrics: `certificate_days` until it ends (negative: since), `key_bits`, `chain_valid`, `name_matches`, `old_protocol`,
`weak_cipher` and `weak_key` (0 or 1), `tls_version` (1.2, 1.3). Critical: no TLS, chain not trusted (self-signed, incomplete,
not valid yet), name, issuer or fingerprint not as it must be, or `critical_days` or less are left; warning: `warn_days` or
less. What is weak (TLS 1.0 and 1.1, RC4, 3DES, RSA under 2048 bits, SHA-1 ...) is what `weak` says.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256
from cryptography.x509.oid import NameOID
from pydantic import AfterValidator

from app.checks.probe import CannotTell, Field, Reading, Run, Spec, Status, Unreachable, counted, probe
from app.net import tcp, tls
from app.net.failure import Failed, Kind
from app.net.guard import literal
from app.net.hello import old_protocol, weak_cipher
from app.net.starttls import Protocol, connect_tls
from app.net.url import Host

DAY = 86_400
VERSIONS = {"TLSv1": 1.0, "TLSv1.1": 1.1, "TLSv1.2": 1.2, "TLSv1.3": 1.3}
LEAST_RSA, LEAST_EC = 2048, 224  # bits


def _fingerprint(text: str) -> str:
    plain = re.sub(r"^sha256[:=]|[:\s]", "", text.strip().lower())
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise ValueError("a fingerprint is SHA-256: 64 hexadecimal digits, with or without colons")
    return plain


class Target(Spec):
    """Which server, and what is too soon."""

    host: Host = Field(description="name or address that is connected to")
    port: int = Field(default=443, ge=1, le=65535, description="TCP port")
    starttls: Protocol | None = Field(
        default=None, description="protocol in which TLS is asked for first; unset = TLS from the first byte"
    )
    server_name: Host | None = Field(default=None, description="name asked for and checked; unset = host")
    warn_days: float = Field(default=21, ge=0, description="days left from which it warns")
    critical_days: float = Field(default=7, ge=0, description="days left that are critical")
    ca: str | None = Field(default=None, description="path of the CA bundle to believe instead of the system's")
    verify: bool = Field(default=True, description="judge chain and name too; false = only how long it lasts, and what is weak")
    issuer: str | None = Field(
        default=None, min_length=1, description="text that the issuer's name must hold, e.g. Let's Encrypt"
    )
    fingerprint: Annotated[str, AfterValidator(_fingerprint)] | None = Field(
        default=None, description="SHA-256 fingerprint that the certificate must have"
    )
    weak: Literal["ok", "warning", "critical"] = Field(
        default="warning", description="what weak protocols, ciphers and keys are"
    )
    old_protocols: bool = Field(default=False, description="TLS 1.0 and 1.1 are meant to be spoken")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the server showed."""

    certificate: x509.Certificate
    version: str
    distrust: str  # why the chain is not believed; empty when it is


@dataclass(slots=True)
class Findings:
    """What is wrong, in words."""

    critical: list[str] = field(default_factory=list)
    warning: list[str] = field(default_factory=list)

    def reading(self, well: str, metrics: dict[str, float]) -> Reading:
        """The reading that says all of it, or that all is well."""
        status = Status.CRITICAL if self.critical else Status.WARNING if self.warning else Status.OK
        return Reading(status, "; ".join(self.critical + self.warning) or well, metrics)


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    name = spec.server_name or spec.host
    try:
        shown = await _look(spec, name, run.timeout * 0.3)
        old, cipher = await _weaknesses(spec, name, run.timeout * 0.3)
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    days = (shown.certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() / DAY
    fits = matches(name, shown.certificate)
    key, bits = weak_key(shown.certificate)
    metrics = {
        "certificate_days": days,
        "key_bits": float(bits),
        "chain_valid": float(not shown.distrust),
        "name_matches": float(fits),
        "old_protocol": float(old is not None),
        "weak_cipher": float(cipher is not None),
        "weak_key": float(bool(key)),
        "tls_version": VERSIONS.get(shown.version, 0.0),
    }
    findings = Findings()
    _judge_time(spec, shown.certificate, days, findings)
    _judge_trust(spec, shown, "" if fits else name, findings)
    weak = [f"it still agrees to {old}"] if old else []
    weak += [f"it agrees to a weak cipher ({cipher})"] if cipher else []
    weak += [key] if key else []
    if spec.weak != "ok":
        (findings.critical if spec.weak == "critical" else findings.warning).extend(weak)
    return findings.reading(f"{counted(round(days), 'day')} left, {shown.version}", metrics)


async def _weaknesses(spec: Target, name: str, timeout: float) -> tuple[str | None, str | None]:
    """The old protocol and the weak cipher that it agrees to."""
    asking = [weak_cipher(spec.host, spec.port, name, timeout, spec.starttls)]
    if not spec.old_protocols:
        asking.append(old_protocol(spec.host, spec.port, name, timeout, spec.starttls))
    cipher, *old = await asyncio.gather(*asking)
    return (old[0] if old else None), cipher


def _judge_time(spec: Target, certificate: x509.Certificate, days: float, findings: Findings) -> None:
    count = counted(round(abs(days)), "day")
    left = f"{count} left" if days >= 0 else f"the certificate ended {count} ago"
    if days <= spec.warn_days:
        (findings.critical if days <= spec.critical_days else findings.warning).append(left)
    if certificate.not_valid_before_utc > datetime.now(UTC):
        findings.critical.append(f"the certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def _judge_trust(spec: Target, shown: Shown, unfit: str, findings: Findings) -> None:
    issuer = shown.certificate.issuer.rfc4514_string()
    if spec.verify and shown.distrust:
        more = f" (issuer {issuer}; does the server send the whole chain?)" if "local issuer" in shown.distrust else ""
        findings.critical.append(f"the chain is not trusted: {shown.distrust}{more}")
    if spec.verify and unfit:
        findings.critical.append(f"the certificate is not for {unfit}")
    if spec.issuer and spec.issuer.lower() not in issuer.lower():
        findings.critical.append(f"its issuer is {issuer}, not {spec.issuer}")
    found = shown.certificate.fingerprint(SHA256()).hex()
    if spec.fingerprint and spec.fingerprint != found:
        findings.critical.append(f"its fingerprint is {found}, another than expected")


def weak_key(certificate: x509.Certificate) -> tuple[str, int]:
    """What is weak about the certificate's key or signature (empty: nothing), and the key's bits."""
    key = certificate.public_key()
    bits = int(getattr(key, "key_size", 256))
    weak = isinstance(key, dsa.DSAPublicKey) or (isinstance(key, rsa.RSAPublicKey) and bits < LEAST_RSA)
    weak = weak or (isinstance(key, ec.EllipticCurvePublicKey) and bits < LEAST_EC)
    words = [f"its key is weak ({type(key).__name__.strip('_').removesuffix('PublicKey')}, {bits} bits)"] if weak else []
    signed = certificate.signature_hash_algorithm
    if isinstance(signed, MD5 | SHA1) and certificate.issuer != certificate.subject:  # nobody checks a root's own signature
        words.append(f"it is signed with {signed.name.upper()}")
    return ", ".join(words), bits


async def _look(spec: Target, name: str, timeout: float) -> Shown:
    """Connect as a client that insists on the chain; when it is refused, again as one that believes anything, to see why."""
    try:
        strict = tls.context(name=False, ca=spec.ca)
    except OSError as error:
        raise CannotTell(f"{spec.ca} cannot be read as a bundle of authorities: {error.strerror}") from None
    try:
        return await _handshake(spec, name, strict, "", timeout)
    except Failed as failed:
        if failed.kind is not Kind.TLS:
            raise
        return await _handshake(spec, name, tls.believing_anything(), str(failed).rpartition(": ")[2], timeout)


async def _handshake(spec: Target, name: str, context: ssl.SSLContext, distrust: str, timeout: float) -> Shown:
    _, writer = await connect_tls(spec.host, spec.port, spec.starttls, context, name, timeout)
    try:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        found = connection.getpeercert(binary_form=True)
        if found is None:
            raise Unreachable("it shows no certificate")
        return Shown(x509.load_der_x509_certificate(found), connection.version() or "", distrust)
    except ValueError:
        raise Unreachable("its certificate cannot be read") from None
    finally:
        await tcp.close(writer)


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
