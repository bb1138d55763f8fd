"""Trusted certificate authorities, the client's own certificate, and TLS contexts for probes."""

import errno
import os
import ssl
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import certifi
from cryptography import x509

# Where systems keep the bundle that their administrators add own authorities to: Debian, Red Hat, SUSE, Alpine and macOS.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
NAMES = {"tlsv1": "TLS", "tlsv13": "TLS", "sslv3": "TLS"} | {
    name.lower(): name for name in ["CA", "CRL", "DH", "EC", "EOF", "HTTP", "HTTPS", "OCSP", "PEM", "RSA", "SSL", "TLS", "X509"]
}
MAX_BUNDLE = 16 << 20  # bytes of a bundle; 140 authorities take 220 KiB


@lru_cache(maxsize=1)
def authorities() -> str:
    """Path of the bundle to trust: SSL_CERT_FILE, else the system's, else certifi's."""
    for path in (os.environ.get("SSL_CERT_FILE"), *BUNDLES):
        if path and Path(path).is_file():
            return path
    return certifi.where()


def readable(bundle: str) -> str:
    """The path of a bundle, certificate or key, if it is a file of a bundle's size. Raises OSError.

    OpenSSL would wait for ever for the writer of a FIFO and read a device without end, and with it all that shares its thread.
    """
    found = os.stat(bundle) if "\0" not in bundle else None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if found.st_size > MAX_BUNDLE:
        raise OSError(errno.EFBIG, f"larger than {MAX_BUNDLE >> 20} MiB")
    return bundle


@dataclass(frozen=True, slots=True)
class Identity:
    """A client's certificate and its key, as paths of PEM files; both may stand in one."""

    certificate: str
    key: str | None = None


def context(
    *, verify: bool = True, name: bool = True, ca: str | None = None, identity: Identity | None = None
) -> ssl.SSLContext:
    """A client's context: is the chain verified, and the name; `ca` is a bundle to believe instead of the system's.

    identity: what it shows to a server that asks who it is. Raises OSError when a file cannot be read or is no such file.
    Made once for each bundle as it is: reading 140 authorities takes 15 ms.
    """
    if not verify:
        return _context(False, "", 0, identity, _written(identity))
    bundle = readable(ca) if ca else authorities()
    return _context(name, bundle, os.stat(bundle).st_mtime_ns, identity, _written(identity))


def unverified_context(identity: Identity | None = None) -> ssl.SSLContext:
    """A client's context that accepts every certificate, key, cipher and protocol of OpenSSL: to inspect, not to trust."""
    return _unverified_context(identity, _written(identity))


@lru_cache(maxsize=64)
def _context(name: bool, bundle: str, _bundle_written: int, identity: Identity | None, _: tuple[int, ...]) -> ssl.SSLContext:
    return _new_context(name, bundle, identity)


@lru_cache(maxsize=8)
def _unverified_context(identity: Identity | None, _: tuple[int, ...]) -> ssl.SSLContext:
    result = _new_context(False, "", identity)
    result.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    result.set_ciphers("ALL:@SECLEVEL=0")
    return result


class _Socket(ssl.SSLSocket):
    """Closed also when the other side resets the connection before the handshake.

    `SSLSocket._create` (Python 3.11 to 3.14) then raises, and nobody but the half-made socket itself holds its descriptor.
    """

    def __del__(self) -> None:
        if not hasattr(self, "_connected"):
            self.close()


def _new_context(name: bool, bundle: str, identity: Identity | None) -> ssl.SSLContext:
    result = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    result.sslsocket_class = _Socket
    result.check_hostname = name
    result.verify_mode = ssl.CERT_REQUIRED if bundle else ssl.CERT_NONE
    if bundle:
        result.load_verify_locations(bundle)
    if identity is not None:
        result.load_cert_chain(identity.certificate, identity.key, password=_no_password)
    return result


def _no_password() -> str:
    """No password for an encrypted key; OpenSSL would prompt on the terminal."""
    return ""


def _written(identity: Identity | None) -> tuple[int, ...]:
    paths = [] if identity is None else [one for one in (identity.certificate, identity.key) if one]
    return tuple(os.stat(readable(path)).st_mtime_ns for path in paths)


def reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason as text: `TLS alert unknown CA`, `wrong version number`."""
    words = (error.reason or "handshake failed").replace("_", " ").lower().split()
    return " ".join(NAMES.get(word, word) for word in words)


def chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """Every certificate (DER) of the chain that was verified, the server's own first; without verification, as it was sent.

    Python before 3.13 has it, but not under a public name.
    """
    inner: Any = connection if hasattr(connection, "get_verified_chain") else connection._sslobj  # type: ignore[attr-defined]
    checked = connection.context.verify_mode is not ssl.CERT_NONE
    found = (inner.get_verified_chain() if checked else None) or inner.get_unverified_chain() or ()
    return tuple(one if isinstance(one, bytes) else one.public_bytes(2) for one in found)  # 2: DER


def path(chain: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """The first certificate of a chain (DER), then each one's issuer: what else was sent vouches for nothing.

    Raises ValueError when one cannot be read, or there is none.
    """
    read = [x509.load_der_x509_certificate(one) for one in chain]
    if not read:
        raise ValueError("no certificate")
    found = read[:1]
    while issuer := next((one for one in read if one not in found and one.subject == found[-1].issuer), None):
        found.append(issuer)
    return tuple(found)


def first_to_expire(path: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate with which the path ends to be good."""
    return min(path, key=lambda one: one.not_valid_after_utc)
