"""The arithmetic of an SSH key exchange: a shared secret on either common curve, and the proof that a host key is owned.

Both exchanges hash with SHA-256. Source: RFC 8731 3, RFC 5656 3 and 4, RFC 8332 3, RFC 8709 6.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

EXCHANGES = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
)  # what every server since 2014 has one of
KINDS = {  # signature algorithm -> kind of the key, and what is hashed with; best first
    "ssh-ed25519": ("ssh-ed25519", None),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256", hashes.SHA256()),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384", hashes.SHA384()),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521", hashes.SHA512()),
    "rsa-sha2-512": ("ssh-rsa", hashes.SHA512()),
    "rsa-sha2-256": ("ssh-rsa", hashes.SHA256()),
}


@dataclass(frozen=True, slots=True)
class Secret:
    """Our half of an exchange."""

    public: bytes
    shared: Callable[[bytes], bytes]  # the server's half -> the secret; raises ValueError for what is no half

    @classmethod
    def of(cls, exchange: str) -> Self:
        """A fresh one for one of EXCHANGES."""
        if exchange == "ecdh-sha2-nistp256":
            curve = ec.SECP256R1()
            secret = ec.generate_private_key(curve)
            return cls(
                secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
                lambda server_public: secret.exchange(
                    ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, server_public)
                ),
            )
        private = X25519PrivateKey.generate()
        return cls(
            private.public_key().public_bytes_raw(),
            lambda server_public: private.exchange(X25519PublicKey.from_public_bytes(server_public)),
        )


def proves(algorithm: str, key: bytes, signed_by: bytes, signature: bytes, digest: bytes) -> bool:
    """Is this the signature of that host key, by one of KINDS, on the exchange's hash? Raises ValueError for what is no key."""
    kind, hashed = KINDS[algorithm]
    if signed_by != algorithm.encode():
        return False
    try:
        public = load_ssh_public_key(kind.encode() + b" " + b64encode(key))
    except UnsupportedAlgorithm:
        return False
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, digest)
        elif isinstance(public, ec.EllipticCurvePublicKey) and hashed:
            public.verify(_dss_signature(signature), digest, ec.ECDSA(hashed))
        elif isinstance(public, rsa.RSAPublicKey) and hashed:
            public.verify(signature, digest, padding.PKCS1v15(), hashed)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _dss_signature(signature: bytes) -> bytes:
    """SSH's pair of numbers, as the library wants it."""
    size = int.from_bytes(signature[:4])
    return encode_dss_signature(int.from_bytes(signature[4 : 4 + size]), int.from_bytes(signature[8 + size :]))
