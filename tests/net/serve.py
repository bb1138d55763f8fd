"""Servers on loopback that behave, fail, hang and lie; and certificates for them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Handler  # what is said to one request, or all of what a server does


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server on a free port of this loopback address; nothing of it is left behind the block."""
    tasks: set[asyncio.Task[object]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(one, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(answer: bytes) -> Handler:
    """Reads one request's head, answers these bytes and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handle


def ok(body: bytes = b"Pay here", head: str = "", status: str = "200 OK") -> bytes:
    """A sound HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def redirect(to: str) -> bytes:
    return ok(b"", f"Location: {to}\r\n", "302 Found")


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes everything, says nothing."""
    while await reader.read(65536):
        pass


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without end, a byte at a time."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.01)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without end, as fast as it is taken."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def slams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes without a word."""


def certificate(
    folder: Path, *, name: str = "127.0.0.1", days: float = 90, issuer: Path | None = None, ca: bool | None = None
) -> Path:
    """A PEM file with certificate and key for one name or address, self-signed unless an issuer's file is given.

    ca: may it sign others; unset = when it is self-signed.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signed_by = key, subject
    if issuer:
        pem = issuer.read_bytes()
        loaded = serialization.load_pem_private_key(pem, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
        signed_by = x509.load_pem_x509_certificate(pem).subject
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(signed_by, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None if ca is None else ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}-{days}-{bool(issuer)}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def context(pem: Path, *, clients: Path | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's: clients = the authority of those that it lets in; version = the one that it speaks."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    if clients is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(clients)
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made
