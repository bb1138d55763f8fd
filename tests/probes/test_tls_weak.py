"""security.tls: names everything that is weak or not as it must be, against OpenSSL's own server and ones that lie."""

import asyncio
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import certificate, context, hangs, serve
from tests.probes.run import against, measure, measured
from tests.programs import program


@contextmanager
def openssl(pem: Path, *options: str) -> Iterator[int]:
    """OpenSSL's own server on a free port."""
    binary = program("openssl", "openssl")
    command: list[str | Path] = [binary, "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", pem, *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("ACCEPT"):
                yield int(line.rpartition(":")[2])
                return
        raise AssertionError("openssl s_server did not start")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def weak_rsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("rsa"), bits=1024)


def made(folder: Path, bits: int = 2048, begins: int = -1) -> Path:
    """A self-signed RSA certificate whose time begins in so many days."""
    key, name = rsa.generate_private_key(65537, bits), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=90 + begins))
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "made.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    return path


LOW = "ALL:eNULL:@SECLEVEL=0"


@pytest.mark.parametrize(
    "options, told",
    [
        (["-tls1", "-cipher", LOW], "it still accepts TLS 1.0"),
        (["-tls1_1", "-cipher", LOW], "it still accepts TLS 1.1"),
        (["-cipher", LOW], "it still accepts TLS 1.1; it accepts a weak cipher (no"),
        (["-tls1_2", "-cipher", "NULL-SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"], "weak cipher (no encryption)"),
        (["-tls1_2", "-cipher", "AECDH-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"], "(no authentication)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_openssl_offers_is_told(tmp_path: Path, options: list[str], told: str) -> None:
    pem = made(tmp_path)
    with openssl(pem, *options) as port:
        target = {"host": "127.0.0.1", "port": port, "ca": str(pem), "verify": False}
        reading = measure("security.tls", 6.0, **target)
        assert (reading.status, told in reading.message) == ("warning", True), reading.message
        assert measure("security.tls", 6.0, weak="critical", **target).status == "critical"
        assert measure("security.tls", 6.0, weak="ok", **target).status == "ok"


def test_what_openssl_does_not_offer_is_not_told(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with openssl(pem) as port:
        reading = measure("security.tls", 6.0, host="127.0.0.1", port=port, ca=str(pem))
    assert (reading.status, reading.metrics["old_protocol"], reading.metrics["weak_cipher"]) == ("ok", 0, 0), reading.message


def test_a_weak_key_is_told(weak_rsa: Path) -> None:
    with openssl(weak_rsa, "-cipher", "DEFAULT:@SECLEVEL=0") as port:
        reading = measure("security.tls", 6.0, host="127.0.0.1", port=port, verify=False, old_protocols=True)
    assert "its key is weak (RSA, 1024 bits)" in reading.message
    assert (reading.metrics["key_bits"], reading.metrics["weak_key"]) == (1024, 1)


@pytest.mark.parametrize("cipher, name", [(0x0005, "RC4"), (0xC012, "3DES"), (0x0003, "export keys")])
def test_ciphers_that_openssl_no_longer_has_are_told(tmp_path: Path, cipher: int, name: str) -> None:
    """A front that answers the hello of weak ciphers in kind; its real side is sound."""
    pem = certificate(tmp_path)

    async def story() -> Reading:
        async with serve(hangs, context(pem)) as real:

            async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                first = await reader.read(5000)
                if b"\x00\x05\x00\x04" in first[44:120] and first[9:11] == b"\x03\x03":  # RC4: nobody else offers it
                    body = b"\x03\x03" + bytes(32) + b"\x04abcd" + struct.pack("!H", cipher) + b"\0"
                    writer.write(struct.pack("!BHH", 22, 0x0303, len(body) + 4) + b"\x02" + len(body).to_bytes(3) + body)
                    await reader.read(100)
                    return
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", real)
                inner_writer.write(first)
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

            async with serve(front) as port:
                return await measured("security.tls", 6.0, host="127.0.0.1", port=port, ca=str(pem))

    reading = asyncio.run(story())
    assert (reading.status, reading.message) == ("warning", f"it accepts a weak cipher ({name})")


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
    finally:
        sink.transport.abort()


def shown(pem: Path, **with_: Any) -> Reading:
    return against(hangs, "security.tls", tls=context(pem), host="127.0.0.1", port="PORT", timeout=6.0, **with_)


def test_a_certificate_of_the_future_is_critical(tmp_path: Path) -> None:
    pem = made(tmp_path, begins=3)
    reading = shown(pem, ca=str(pem))
    assert (reading.status, "is not valid before 20" in reading.message) == ("critical", True)
    assert shown(pem, verify=False).status == "critical"


def test_a_missing_intermediate_is_explained(tmp_path: Path) -> None:
    root = certificate(tmp_path, name="root.example", days=900)
    leaf = certificate(tmp_path, issuer=certificate(tmp_path, name="ca.example", days=800))
    message = shown(leaf, ca=str(root)).message
    assert "issuer CN=ca.example; check that the server sends the whole chain" in message


def test_issuer_and_fingerprint_are_held_to(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    found = x509.load_pem_x509_certificate(pem.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()
    assert shown(pem, ca=str(pem), fingerprint=found, issuer="127.0.0").status == "ok"
    assert "not the expected one" in shown(pem, ca=str(pem), fingerprint="0" * 64).message
    assert "its issuer is CN=127.0.0.1, not Let's Encrypt" in shown(pem, ca=str(pem), issuer="Let's Encrypt").message
    with pytest.raises(ValidationError, match="64 hexadecimal"):
        plugins.probe_module("security.tls").Target(host="x", fingerprint="abc")


TALKS = {
    "smtp": (b"220-hello\r\n220 mail\r\n", {b"EHLO": b"250-mail\r\n250 STARTTLS\r\n", b"STARTTLS": b"220 go\r\n"}),
    "imap": (b"* OK ready\r\n", {b"a STARTTLS": b"* NOTE x\r\na OK go\r\n"}),
    "pop3": (b"+OK ready\r\n", {b"STLS": b"+OK go\r\n"}),
    "ftp": (b"220 ready\r\n", {b"AUTH": b"234 go\r\n"}),
    "postgres": (b"", {b"\x00\x00\x00\x08": b"S"}),
    "ldap": (b"", {b"\x30": b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"}),
}


def asked(protocol: str, pem: Path, refuses: bool = False, timeout: float = 6.0) -> Reading:
    greeting, answers = TALKS[protocol]

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        for word, answer in answers.items():
            if not (await reader.read(1000)).startswith(word):
                return
            writer.write(b"-NO\r\n" if refuses else answer)
        if not refuses:
            await writer.start_tls(context(pem))
        await reader.read(1)

    return against(server, "security.tls", host="127.0.0.1", port="PORT", starttls=protocol, ca=str(pem), timeout=timeout)


@pytest.mark.parametrize("protocol", TALKS)
def test_tls_is_asked_for_in_plain_protocols(tmp_path: Path, protocol: str) -> None:
    pem = certificate(tmp_path)
    reading = asked(protocol, pem)
    assert reading.status == "ok", reading.message
    refused = asked(protocol, pem, refuses=True)
    assert (refused.status, "the request for TLS" in refused.message) == ("critical", True), refused.message


@pytest.mark.parametrize("protocol", TALKS)
def test_a_server_that_never_agrees_is_critical_in_time(protocol: str) -> None:
    reading = against(hangs, "security.tls", host="127.0.0.1", port="PORT", starttls=protocol, timeout=0.6)
    assert (reading.status, "did not agree to TLS within" in reading.message) == ("critical", True)
