"""Shows a certificate that is believed, fits the name and does not end soon, and speaks no outdated protocol.

Metrics: `certificate_days` until it ends (negative: since), `chain_valid`, `name_matches` and `old_protocol` (0 or 1),
`tls_version` (1.2, 1.3). Critical: no TLS, chain not trusted, name does not match, or `critical_days` or less are left;
warning: `warn_days` or less, or the server still agrees to TLS 1.0 or 1.1.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from app.checks.probe import CannotTell, Field, Reading, Run, Spec, Status, Unreachable, probe
from app.net import tcp, tls
from app.net.failure import Failed, Kind
from app.net.guard import literal
from app.net.hello import old_protocol
from app.net.url import Host

DAY = 86_400
VERSIONS = {"TLSv1.2": 1.2, "TLSv1.3": 1.3}


class Target(Spec):
    """Which server, and what is too soon."""

    host: Host = Field(description="name or address that is connected to")
    port: int = Field(default=443, ge=1, le=65535, description="TCP port that speaks TLS from the first byte")
    server_name: Host | None = Field(default=None, description="name asked for and checked; unset = host")
    warn_days: float = Field(default=21, ge=0, description="days left from which it warns")
    critical_days: float = Field(default=7, ge=0, description="days left that are critical")
    ca: str | None = Field(default=None, description="path of the CA bundle to believe instead of the system's")
    verify: bool = Field(default=True, description="judge chain and name too; false = only how long it lasts")
    old_protocols: bool = Field(default=False, description="TLS 1.0 and 1.1 are meant to be spoken")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the server showed."""

    certificate: x509.Certificate
    version: str
    distrust: str  # why the chain is not believed; empty when it is


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    name = spec.server_name or spec.host
    try:
        shown = await _look(spec, name, run.timeout * 0.3)
        old = None if spec.old_protocols else await old_protocol(spec.host, spec.port, name, run.timeout * 0.3)
    except Failed as failed:
        raise (CannotTell if failed.kind is Kind.BLOCKED else Unreachable)(str(failed)) from None
    days = (shown.certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() / DAY
    fits = matches(name, shown.certificate)
    metrics = {
        "certificate_days": days,
        "chain_valid": float(not shown.distrust),
        "name_matches": float(fits),
        "old_protocol": float(old is not None),
        "tls_version": VERSIONS.get(shown.version, 0.0),
    }
    critical, warning = _judge(spec, days, shown.distrust, "" if fits else name, old)
    status = Status.CRITICAL if critical else Status.WARNING if warning else Status.OK
    return Reading(status, "; ".join(critical + warning) or f"{days:.0f} days left, {shown.version}", metrics)


def _judge(spec: Target, days: float, distrust: str, unfit: str, old: str | None) -> tuple[list[str], list[str]]:
    """What is critical, and what only warns, in words."""
    critical: list[str] = []
    warning: list[str] = []
    left = f"{days:.0f} days left" if days >= 0 else f"the certificate ended {-days:.0f} days ago"
    if days <= spec.warn_days:
        (critical if days <= spec.critical_days else warning).append(left)
    if spec.verify and distrust:
        critical.append(f"the chain is not trusted: {distrust}")
    if spec.verify and unfit:
        critical.append(f"the certificate is not for {unfit}")
    if old:
        warning.append(f"it still agrees to {old}")
    return critical, warning


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
        return await _handshake(spec, name, tls.context(verify=False), str(failed).rpartition(": ")[2], timeout)


async def _handshake(spec: Target, name: str, context: ssl.SSLContext, distrust: str, timeout: float) -> Shown:
    _, writer = await tcp.connect(spec.host, spec.port, timeout=timeout, tls=context, server_name=name)
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
