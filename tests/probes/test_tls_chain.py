"""security.tls: the chain that vouches for a certificate, and servers that want to know who asks."""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import certificate, context, hangs, serve
from tests.probes.run import Options, against, measure, measured
from tests.probes.test_tls_weak import TALKS

Talk = tuple[bytes, Mapping[bytes, bytes]]  # the greeting; what is answered to which word

MINE = "-----BEGIN PRIVATE"
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@contextmanager
def guard(tls: ssl.SSLContext, talk: Talk = (b"", {})) -> Iterator[int]:
    """A server whose TLS sends its alerts, as OpenSSL's own does and asyncio's does not."""
    greeting, answers = talk

    def one(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(10)
            connection.sendall(greeting)
            for answer in answers.values():
                connection.recv(1000)
                connection.sendall(answer)
            with tls.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

    def work() -> None:
        with suppress(OSError):
            while True:
                threads.append(Thread(target=one, args=(listener.accept()[0],)))
                threads[-1].start()

    threads: list[Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = Thread(target=work)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (acceptor, *threads):
                thread.join()


def guarded_by(tls: ssl.SSLContext, pem: Path, talk: Talk = (b"", {}), **with_: Any) -> Reading:
    with guard(tls, talk) as port:
        return measure("security.tls", 6.0, host="127.0.0.1", port=port, **{"ca": str(pem), **with_})


def shown(pem: Path, tls: ssl.SSLContext | None = None, **with_: Any) -> Reading:
    return against(hangs, "security.tls", tls=tls or context(pem), host="127.0.0.1", port="PORT", timeout=6.0, **with_)


def chained(
    folder: Path, *, root: float = 900.0, middle: float = 800.0, leaf: float = 90.0, sent: Sequence[Path] = ()
) -> tuple[Path, Path]:
    """The authority's file, and a server's that holds its own certificate, the intermediate and whatever else is sent."""
    above = certificate(folder, name="root.example", days=root)
    between = certificate(folder, name="ca.example", days=middle, issuer=above, ca=True)
    own = certificate(folder, days=leaf, issuer=between)
    for more in (between, *sent):
        own.write_bytes(own.read_bytes() + more.read_bytes().partition(MINE.encode())[0])
    return above, own


@pytest.mark.parametrize(
    ("lasts", "status", "days", "told"),
    [
        ({}, "ok", 90, "90 days left, TLSv1.3"),
        ({"middle": 30}, "ok", 30, "30 days left, TLSv1.3"),
        ({"middle": 20}, "warning", 20, "20 days left: the chain's certificate CN=ca.example expires before the server's own"),
        ({"middle": 5}, "critical", 5, "5 days left: the chain's certificate CN=ca.example expires before the server's own"),
        ({"root": 5}, "critical", 5, "5 days left: the chain's certificate CN=root.example expires before the server's own"),
        ({"leaf": 5, "middle": 6}, "critical", 5, "5 days left"),
        ({"middle": -3}, "critical", -3, "the chain's certificate CN=ca.example expired 3 days ago; the chain is not trusted"),
        ({"leaf": -2}, "critical", -2, "the certificate expired 2 days ago; the chain is not trusted"),
    ],
    ids=str,
)
def test_the_first_of_the_chain_that_ends_counts(
    tmp_path: Path, lasts: dict[str, Any], status: str, days: int, told: str
) -> None:
    root, own = chained(tmp_path, **lasts)
    reading = shown(own, ca=str(root))
    assert (reading.status, round(reading.metrics["certificate_days"])) == (status, days), reading.message
    assert reading.message.startswith(told)


def test_without_trust_what_was_sent_counts(tmp_path: Path) -> None:
    _, own = chained(tmp_path, middle=5)
    assert "5 days left: the chain's certificate CN=ca.example" in shown(own, verify=False).message
    assert "5 days left: the chain's certificate CN=ca.example" in shown(own).message


def test_what_is_sent_and_vouches_for_nothing_does_not_count(tmp_path: Path) -> None:
    stray = certificate(tmp_path, name="stray.example", days=2)
    root, own = chained(tmp_path, sent=[stray])
    for with_ in ({"ca": str(root)}, {"verify": False}):
        assert shown(own, **with_).status == "ok"


def test_an_old_way_to_an_old_root_does_not_count_when_there_is_a_shorter_one(tmp_path: Path) -> None:
    """As servers sent the way from a new root to one that had ended, for old telephones."""
    old = certificate(tmp_path, name="old.example", days=3)
    root, own = chained(tmp_path)
    cross = certificate(tmp_path, name="root.example", days=2, issuer=old, ca=True)
    own.write_bytes(own.read_bytes() + cross.read_bytes().partition(MINE.encode())[0])
    assert round(shown(own, ca=str(root)).metrics["certificate_days"]) == 90


@pytest.fixture
def guarded(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A server's certificate, the authority of its clients, and one of those clients."""
    (tmp_path / "clients").mkdir()
    authority = certificate(tmp_path / "clients", name="clients.example", days=900)
    client = certificate(tmp_path / "clients", name="tocsin.example", issuer=authority)
    return certificate(tmp_path), authority, client


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_wants_a_client_certificate_is_judged_by_what_it_shows(
    guarded: tuple[Path, Path, Path], version: str
) -> None:
    pem, authority, _ = guarded
    tls = context(pem, clients=authority, version=VERSIONS[version])
    reading = guarded_by(tls, pem)
    assert (reading.status, reading.message) == ("ok", f"90 days left, {version}, requests a client certificate")
    metrics = {name: reading.metrics[name] for name in ("client_certificate_required", "chain_valid", "name_matches")}
    assert metrics == {"client_certificate_required": 1, "chain_valid": 1, "name_matches": 1}
    assert reading.metrics["tls_version"] == float(version[4:])
    assert "chain is not trusted: self" in guarded_by(tls, pem, ca=None).message
    assert guarded_by(tls, pem, critical_days=100, warn_days=100).message == "90 days left"


def test_one_that_closes_without_an_alert_wanted_it_too(guarded: tuple[Path, Path, Path]) -> None:
    """As asyncio's servers do. TLS 1.3 encrypts the question, so that only a certificate that does not help can tell."""
    pem, authority, _ = guarded
    tls = context(pem, clients=authority, version=ssl.TLSVersion.TLSv1_2)
    assert shown(pem, tls, ca=str(pem)).message == "90 days left, TLSv1.2, requests a client certificate"
    tls = context(pem, clients=authority, version=ssl.TLSVersion.TLSv1_3)
    assert shown(pem, tls, ca=str(pem)).message == "90 days left, TLSv1.3"
    reading = shown(pem, tls, ca=str(pem), client_cert=str(pem))
    assert (reading.status, reading.message) == ("critical", "it rejects the client certificate: it closed the connection")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("own_file", [True, False])
def test_a_client_certificate_is_shown_to_those_who_ask(
    guarded: tuple[Path, Path, Path], version: str, own_file: bool, tmp_path: Path
) -> None:
    pem, authority, client = guarded
    key = tmp_path / "key.pem"
    key.write_text(MINE + client.read_text().partition(MINE)[2])
    with_: Options = {"client_cert": str(client)} | ({"client_key": str(key)} if own_file else {})
    reading = guarded_by(context(pem, clients=authority, version=VERSIONS[version]), pem, **with_)
    assert (reading.status, reading.message) == ("ok", f"90 days left, {version}")
    assert reading.metrics["client_certificate_required"] == 0
    assert guarded_by(context(pem, version=VERSIONS[version]), pem, **with_).status == "ok"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_that_is_refused_is_critical(
    guarded: tuple[Path, Path, Path], version: str, tmp_path: Path
) -> None:
    pem, authority, _ = guarded
    stranger = certificate(tmp_path, name="stranger.example")
    tls = context(pem, clients=authority, version=VERSIONS[version])
    reading = guarded_by(tls, pem, client_cert=str(stranger))
    assert (reading.status, reading.message) == ("critical", "it rejects the client certificate: unknown CA")
    assert round(reading.metrics["certificate_days"]) == 90


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("protocol", TALKS)
def test_a_client_certificate_is_wanted_after_plain_protocols_too(
    guarded: tuple[Path, Path, Path], protocol: str, version: str
) -> None:
    pem, authority, client = guarded
    tls = context(pem, clients=authority, version=VERSIONS[version])
    reading = guarded_by(tls, pem, TALKS[protocol], starttls=protocol)
    assert (reading.status, reading.message) == ("ok", f"90 days left, {version}, requests a client certificate")
    reading = guarded_by(tls, pem, TALKS[protocol], starttls=protocol, client_cert=str(client))
    assert (reading.status, reading.message) == ("ok", f"90 days left, {version}")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"client_cert": "/no/such.pem"}, "/no/such.pem cannot be used as a client certificate: no such file"),
        ({"client_cert": "PEM", "client_key": "/no/key"}, "with /no/key cannot be used as a client certificate: no such file"),
        ({"client_cert": "OTHER", "client_key": "PEM"}, "cannot be used as a client certificate: key values mismatch"),
        ({"client_cert": "LOCKED"}, "cannot be used as a client certificate: "),
        ({"client_cert": "FIFO"}, "cannot be used as a client certificate: not a regular file"),
        ({"client_cert": "JUNK"}, "cannot be used as a client certificate: "),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_unknown(tmp_path: Path, files: dict[str, str], said: str) -> None:
    pem = certificate(tmp_path)
    other = certificate(tmp_path, name="other.example")
    key = serialization.load_pem_private_key(pem.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x"))
    (tmp_path / "locked").write_bytes(pem.read_bytes().partition(MINE.encode())[0] + key.private_bytes(*form))
    (tmp_path / "junk").write_bytes(b"junk")
    os.mkfifo(tmp_path / "fifo")
    paths = {"PEM": pem, "OTHER": other, "LOCKED": tmp_path / "locked", "FIFO": tmp_path / "fifo", "JUNK": tmp_path / "junk"}
    with_ = {name: str(paths.get(path, path)) for name, path in files.items()}
    reading = measure("security.tls", host="127.0.0.1", port=1, **with_)
    assert (reading.status, said in reading.message) == ("unknown", True), reading.message


def test_a_key_without_its_certificate_is_refused_when_read() -> None:
    with pytest.raises(ValidationError, match="client_cert"):
        plugins.probe_module("security.tls").Target(host="x", client_key="/key")


def test_one_that_breaks_off_amid_its_messages_shows_nothing(tmp_path: Path) -> None:
    """It sends half of its certificate."""
    pem = certificate(tmp_path)

    async def story() -> Reading:
        async with serve(hangs, context(pem, version=ssl.TLSVersion.TLSv1_2)) as real:

            async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", real)
                inner_writer.write(await reader.read(5000))
                writer.write((await inner_reader.read(5000))[:300])
                inner_writer.transport.abort()

            async with serve(front) as port:
                return await measured("security.tls", 6.0, host="127.0.0.1", port=port, ca=str(pem))

    reading = asyncio.run(story())
    assert reading.status == "critical"
    assert not reading.metrics
