"""health.ssh against OpenSSH's server, one that shows a key it does not own, and servers that hang and lie."""

import asyncio
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading, Status
from app.supervisor.account import identity, run, unprivileged
from tests.net.serve import Handler, hangs, slams
from tests.probes.run import Options, against, measure
from tests.programs import program

pytestmark = pytest.mark.xdist_group("sshd")
KINDS = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "ssh-rsa"}


@dataclass(frozen=True)
class Sshd:
    port: int
    fingerprints: dict[str, str]  # kind -> as ssh-keygen says


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """OpenSSH as it comes."""
    with openssh() as running:
        yield running


@contextmanager
def openssh(*more: str) -> Iterator[Sshd]:
    """OpenSSH with three host keys; not as root, for whom it needs a folder that only the package's unit makes."""
    server = program("sshd", "openssh-server")
    keygen = program("ssh-keygen", "openssh-client")
    account = unprivileged()
    folder = Path(mkdtemp(prefix="tocsin-sshd-"))
    if account is not None:
        shutil.chown(folder, account.uid, account.gid)
    fingerprints, words = {}, []
    for name, kind in KINDS.items():
        assert run(account, [keygen, "-q", "-t", name, "-N", "", "-f", folder / name]).returncode == 0
        fingerprints[kind] = run(account, [keygen, "-lf", folder / f"{name}.pub"]).stdout.split()[1]
        words += ["-h", str(folder / name)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"-oListenAddress=127.0.0.1:{port}", "-oPidFile=none", "-oMaxStartups=100", *more]
    command: list[str | Path] = [server, "-D", "-e", "-f", "/dev/null", *options, *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd="/", **identity(account))
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert b"Server listening" in said, said
        yield Sshd(port, fingerprints)
    finally:
        process.terminate()
        process.communicate(timeout=10)
        shutil.rmtree(folder)


def seen(sshd: Sshd, **with_: Any) -> Reading:
    return measure("health.ssh", host="127.0.0.1", port=sshd.port, **with_)


def test_the_first_host_key_becomes_the_baseline_and_stays_ok(sshd: Sshd) -> None:
    first = seen(sshd)
    assert first.status is Status.OK, first.message
    assert first.message.startswith("OpenSSH_")
    assert "baseline recorded: 1 host key" in first.message
    assert first.observed == {"ssh-ed25519": sshd.fingerprints["ssh-ed25519"]}
    assert 0 < first.metrics["banner_seconds"] < first.metrics["seconds"] < 5
    again = seen(sshd, baseline=first.observed)
    assert (again.status, again.metrics["host_key_matches"]) == (Status.OK, 1)


@pytest.mark.parametrize("kind", KINDS.values())
def test_any_of_its_keys_is_proved_and_recognised(sshd: Sshd, kind: str) -> None:
    expected = sshd.fingerprints[kind]
    reading = seen(sshd, fingerprint=expected)
    assert reading.status is Status.OK, reading.message
    assert f"{kind} {expected}" in reading.message
    assert reading.observed is None
    accepted = seen(sshd, baseline={kind: expected})
    assert (accepted.status, accepted.observed) == (Status.OK, {kind: expected})


def test_another_host_key_is_critical_and_both_are_told(sshd: Sshd) -> None:
    other = "SHA256:" + "A" * 43
    reading = seen(sshd, fingerprint=other)
    assert (reading.status, reading.metrics["host_key_matches"]) == (Status.CRITICAL, 0)
    assert all(one in reading.message for one in (other, *sshd.fingerprints.values()))
    drifted = seen(sshd, baseline={"ssh-rsa": other})
    assert drifted.status is Status.CRITICAL
    assert f"accepted: ssh-rsa {other}" in drifted.message
    assert drifted.observed == {"ssh-rsa": sshd.fingerprints["ssh-rsa"]}


def test_what_it_is_may_be_expected(sshd: Sshd) -> None:
    assert seen(sshd, expect="OpenSSH", host_key=False).observed is None
    reading = seen(sshd, expect="dropbear")
    assert (reading.status, "does not contain 'dropbear'" in reading.message) == (Status.CRITICAL, True)


@pytest.mark.parametrize("exchange", ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"])
def test_every_exchange_we_know_agrees_with_openssh(exchange: str) -> None:
    with openssh(f"-oKexAlgorithms={exchange}") as sshd:
        assert seen(sshd, fingerprint=sshd.fingerprints["ssh-ed25519"]).status is Status.OK


async def _packet(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(struct.unpack("!I", size)[0])


def test_a_server_that_shows_a_key_it_does_not_own_is_critical(sshd: Sshd) -> None:
    """Somebody in between, who passes everything on but cannot sign: the signature in the third packet is touched."""

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", sshd.port)

        async def up() -> None:
            while data := await reader.read(65536):
                inner_writer.write(data)

        async def down() -> None:
            writer.write(await inner_reader.readline() + await _packet(inner_reader))
            reply = bytearray(await _packet(inner_reader))
            reply[-1 - reply[4]] ^= 1  # byte 4 is the length of the padding at the end
            writer.write(reply)

        try:
            await asyncio.gather(up(), down())
        finally:
            inner_writer.transport.abort()

    reading = against(between, "health.ssh", host="127.0.0.1", port="PORT")
    assert reading.status is Status.CRITICAL
    assert "without proof of ownership" in reading.message
    assert reading.observed is None


def packet(payload: bytes) -> bytes:
    return struct.pack("!IB", len(payload) + 5, 4) + payload + bytes(4)


def offer(exchanges: str = "curve25519-sha256", keys: str = "ssh-ed25519", ciphers: str = "aes128-ctr") -> bytes:
    names = (exchanges, keys, ciphers, ciphers, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "")
    lists = b"".join(struct.pack("!I", len(name)) + name.encode() for name in names)
    return packet(bytes([20]) + bytes(16) + lists + bytes(5))


def says(*parts: bytes, stays: bool = True) -> Any:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        await reader.readline()
        if stays:
            await hangs(reader, writer)

    return talk


async def chatters(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"welcome\r\n" * 1000)
        await writer.drain()


OLD = offer("diffie-hellman-group1-sha1,diffie-hellman-group14-sha256", "ssh-dss,ssh-rsa", "3des-cbc,aes128-ctr,arcfour")
ID = b"SSH-2.0-Test\r\n"
SIGNED = packet(bytes([31]) + 3 * (struct.pack("!I", 32) + bytes(32)))
LIES = {  # handler, settings, status, what is told
    "it says nothing": (hangs, {}, "critical", "no identification received within 0.475 s"),
    "it closes at once": (slams, {}, "critical", "it closed the connection: no identification received"),
    "it greets before": (says(b"Authorised use only\r\n", ID, OLD), {"host_key": False}, "ok", "Test answered"),
    "it has no room": (says(b"Exceeded MaxStartups\r\n", stays=False), {}, "critical", "but 'Exceeded MaxStartups'"),
    "a mail server": (
        says(b"220 mx ESMTP\r\n"),
        {},
        "critical",
        "no identification received within 0.475 s, but '220 mx ESMTP'",
    ),
    "a web server": (says(b"HTTP/1.1 400 Bad\r\n\r\n", stays=False), {}, "critical", "but 'HTTP/1.1 400 Bad'"),
    "SSH 1": (says(b"SSH-1.5-Cisco-1.25\n"), {}, "critical", "it does not speak SSH 2: it identifies itself as 'SSH-1.5-Cisco"),
    "SSH 1 and 2": (says(b"SSH-1.99-Cisco-1.25\n", OLD), {"host_key": False}, "ok", "Cisco-1.25 answered"),
    "only the first line": (says(ID), {}, "critical", "no algorithms received within"),
    "junk for an offer": (says(ID, b"\xff" * 99), {}, "critical", "it does not speak SSH: no algorithms received"),
    "half an offer": (
        says(ID, offer()[:40], stays=False),
        {},
        "critical",
        "it closed the connection: no algorithms received",
    ),
    "an offer cut short": (says(ID, packet(offer()[5:60])), {}, "critical", "it does not speak SSH"),
    "another packet": (says(ID, packet(b"\x05none")), {}, "critical", "it does not speak SSH"),
    "good-bye": (says(ID, packet(b"\x01\0\0\0\x02\0\0\0\x04full")), {}, "critical", "it disconnected: 'full'"),
    "no host key": (says(ID, offer()), {}, "critical", "no host key received within"),
    "a made-up host key": (says(ID, offer(), SIGNED), {}, "critical", "it does not speak SSH: no host key received"),
    "chatter first": (says(ID, packet(b"\x02\0\0\0\0"), offer()), {"host_key": False}, "ok", "Test answered"),
    "endless chatter": (chatters, {}, "critical", "it does not speak SSH: no identification received"),
    "an endless name": (says(b"SSH-2.0-" + b"x" * 300 + b"\n"), {}, "critical", "does not speak SSH 2"),
    "an old one": (says(ID, OLD), {}, "ok", "Test answered"),
    "an old one, pinned": (
        says(ID, OLD),
        {"fingerprint": "SHA256:" + "A" * 43},
        "unknown",
        "no supported host key type: ssh-dss",
    ),
    "an old one, warned of": (
        says(ID, OLD),
        {"warn_weak": True},
        "warning",
        "group1-sha1, ssh-dss, ssh-rsa, 3des-cbc, arcfour",
    ),
}


@pytest.mark.parametrize("handler, with_, status, told", LIES.values(), ids=LIES)
def test_a_server_that_fails_hangs_or_lies(handler: Handler, with_: Options, status: str, told: str) -> None:
    reading = against(handler, "health.ssh", host="127.0.0.1", port="PORT", timeout=0.5, **with_)
    assert reading.status == status, reading.message
    assert told in reading.message


def test_nobody_there_is_critical_and_wrong_settings_are_refused() -> None:
    assert measure("health.ssh", host="127.0.0.1", port=1).message == "127.0.0.1:1 refused the connection"
    for with_ in ({"host": "169.254.169.254"}, {"fingerprint": "MD5:aa"}, {"fingerprint": "SHA256:x"}, {"port": 0}):
        with pytest.raises(ValidationError):
            plugins.probe_module("health.ssh").Target(**{"host": "h", **with_})
