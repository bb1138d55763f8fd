"""Which certificate authorities are believed, and TLS contexts for probes."""

import errno
import os
import ssl
import stat
from functools import lru_cache
from pathlib import Path

import certifi

# Where systems keep the bundle that their administrators add own authorities to: Debian, Red Hat, SUSE, Alpine and macOS.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
LARGEST = 16 << 20  # bytes of a bundle; 140 authorities take 220 KiB


@lru_cache(maxsize=1)
def authorities() -> str:
    """Path of the bundle to believe: SSL_CERT_FILE, else the system's, else certifi's."""
    for path in (os.environ.get("SSL_CERT_FILE"), *BUNDLES):
        if path and Path(path).is_file():
            return path
    return certifi.where()


def readable(bundle: str) -> str:
    """The path of a bundle, if it is a file of a bundle's size. Raises OSError.

    OpenSSL would wait for ever for the writer of a FIFO and read a device without end, and with it all that shares its thread.
    """
    found = os.stat(bundle) if "\0" not in bundle else None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if found.st_size > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB")
    return bundle


def context(*, verify: bool = True, name: bool = True, ca: str | None = None) -> ssl.SSLContext:
    """A client's context: is the chain verified, and the name; `ca` is a bundle to believe instead of the system's.

    Raises OSError when the bundle cannot be read. Made once for each bundle as it is: reading 140 authorities takes 15 ms.
    """
    if not verify:
        return _context(False, "", 0)
    bundle = readable(ca) if ca else authorities()
    return _context(name, bundle, os.stat(bundle).st_mtime_ns)


@lru_cache(maxsize=64)
def _context(name: bool, bundle: str, _written: int) -> ssl.SSLContext:
    return _made(name, bundle)


def _made(name: bool, bundle: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = name
    made.verify_mode = ssl.CERT_REQUIRED if bundle else ssl.CERT_NONE
    if bundle:
        made.load_verify_locations(bundle)
    return made


@lru_cache(maxsize=1)
def believing_anything() -> ssl.SSLContext:
    """A client's context that takes every certificate, key, cipher and protocol OpenSSL still knows: to look, not to trust."""
    made = _made(False, "")
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.set_ciphers("ALL:@SECLEVEL=0")
    return made
