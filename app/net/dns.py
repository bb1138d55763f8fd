"""One DNS question to one of a few servers: UDP, TCP when the answer was cut, and only a matching answer accepted.

dnspython reads and writes the messages; its own transport queues what comes without bound, and is not used.
Source: RFC 1035, 5452 (what an answer must match), 6840 5.7 (flag AD), 7766 (TCP), 8914 (extended errors).
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
from dns.rdatatype import RdataType
from dns.rdtypes.txtbase import TXTBase

from app.failure import Failed, Kind
from app.net import tcp
from app.net.address import literal
from app.net.datagram import Datagrams
from app.net.resolve import Endpoint, in_turn, resolve

RESOLV_CONF = Path("/etc/resolv.conf")
MOST_SERVERS = 3  # as libc
PAYLOAD = 1232  # bytes of a UDP answer we ask for: fits every path unfragmented (DNS flag day 2020)
MAX_STRAY = 200  # unrelated datagrams after which listening stops
LARGE = 4096  # bytes from which an answer is read in a thread: 64 KiB of tiny records take a quarter of a second
RETRY_AFTER = 0.4  # share of the time after which a question is sent again: a lost datagram is no outage

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Question:
    """The request, or the steps."""

    name: str
    type: str
    recursion: bool = True
    dnssec: bool = False  # ask for validation, so that flag AD means something


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    server: Endpoint
    rcode: str  # NOERROR, NXDOMAIN ...
    values: tuple[str, ...]  # records of the type at the end of the CNAME chain, as `canonical` writes them, sorted
    ttl: int  # seconds, least of the chain and the records; of the denial when there is none
    authenticated: bool  # flag AD
    authoritative: bool  # flag AA
    referral: bool  # no answer, only other servers to ask: nothing about the name
    cut: bool  # did not fit into UDP, so TCP was asked
    reasons: tuple[str, ...]  # extended errors, in words
    seconds: float


def domain_name(text: str, type_: str = "A") -> dns.name.Name:
    """The name as asked for; an address becomes its reverse name when PTR is wanted. Raises ValueError."""
    try:
        ip = literal(text) if type_ == "PTR" else None
        return dns.reversename.from_address(str(ip)) if ip else dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        raise ValueError(f"{text!r} is not a domain name") from None


def record_type(text: str) -> str:
    """The type in capitals (`mx`, `TYPE65`). Raises ValueError for none, and for those that are no records of a name."""
    try:
        found = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        found = dns.rdatatype.NONE
    if found == dns.rdatatype.NONE or dns.rdatatype.is_metatype(found):
        raise ValueError(f"{text!r} is not a record type; write A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, CAA ...")
    return dns.rdatatype.to_text(found)


def canonical(type_: str, text: str) -> str:
    """A record's data as `Answer.values` has it: `10 MX.example.org.` and `10 mx.example.org` are one. Raises ValueError."""
    kind = dns.rdatatype.from_text(type_)
    if kind in (dns.rdatatype.TXT, dns.rdatatype.SPF):
        return text[1:-1].replace('" "', "") if len(text) > 1 and text[0] == text[-1] == '"' else text
    try:
        return _written(dns.rdata.from_text(dns.rdataclass.IN, kind, text, dns.name.root, relativize=False))
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"{text!r} is not valid data for a record of type {type_}") from None


async def servers(resolver: str | None, port: int, timeout: float) -> tuple[Endpoint, ...]:
    """Where to ask: the named resolver, or those of the system. Raises Failed when none may be asked."""
    if resolver is not None:
        return await resolve(resolver, port, timeout)
    found: list[Endpoint] = []
    last: Failed | None = None
    for host in system_servers(RESOLV_CONF):
        try:
            found += await resolve(host, port, timeout)
        except Failed as failed:
            last = failed
    if not found:
        raise last or Failed(Kind.DNS, f"{RESOLV_CONF} lists no servers")
    return tuple(found)


def system_servers(path: Path) -> tuple[str, ...]:
    """Addresses in a resolv.conf, at most three; this machine when it names none. Source: resolv.conf(5)."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    fields = [line.split() for line in lines]
    named = [field[1] for field in fields if len(field) > 1 and field[0] == "nameserver" and literal(field[1])]
    return tuple(named[:MOST_SERVERS]) or ("127.0.0.1",)


async def ask(question: Question, endpoints: tuple[Endpoint, ...], timeout: float, transport: Transport = "udp") -> Answer:
    """The answer of the first server that gives one, whatever its rcode. Raises Failed; ends within `timeout` seconds."""
    query = dns.message.make_query(
        domain_name(question.name, question.type), question.type, use_edns=True,
        want_dnssec=question.dnssec, payload=PAYLOAD,
        flags=(dns.flags.RD if question.recursion else 0) | (dns.flags.AD if question.dnssec else 0),
    )  # fmt: skip
    end = time.monotonic() + timeout
    failures: list[Failed] = []
    for server, seconds in in_turn(endpoints, end):
        try:
            return await _exchange(query, server, seconds, transport)
        except Failed as failed:
            failures.append(failed)
    raise Failed(failures[-1].kind, "; ".join(map(str, failures)))


async def _exchange(query: dns.message.Message, server: Endpoint, timeout: float, transport: Transport) -> Answer:
    started = time.monotonic()
    cut = False
    if transport == "udp":
        wire, received_at = await _over_udp(query, server, timeout)
        cut = bool(wire[2] & 0x02)  # TC
    if transport == "tcp" or cut:
        try:
            wire, received_at = await _over_tcp(query, server, timeout - (time.monotonic() - started))
        except Failed as failed:
            raise Failed(
                failed.kind, f"its UDP response was truncated, and over TCP: {failed}" if cut else str(failed)
            ) from None
    seconds = received_at - started
    if len(wire) > LARGE:
        return await asyncio.to_thread(_read, wire, query, server, cut, seconds)
    return _read(wire, query, server, cut, seconds)


async def _over_udp(query: dns.message.Message, server: Endpoint, timeout: float) -> tuple[bytes, float]:
    """The answer, and when it came on the monotonic clock."""
    wire, stray = query.to_wire(), 0
    with Datagrams(server) as socket:
        for share in (RETRY_AFTER, 1 - RETRY_AFTER):
            socket.send(wire)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout * share):
                    while stray < MAX_STRAY:
                        datagram = await socket.receive()
                        if _answers(query, datagram.data):
                            return datagram.data, datagram.at.monotonic / 1e9
                        stray += 1
    if stray:
        ignored = f"{stray} datagrams ignored (wrong id, wrong question, or not DNS)"
        raise Failed(Kind.PROTOCOL, f"{server} did not answer the query; {ignored}")
    raise Failed(Kind.TIMEOUT, f"{server} did not respond over UDP within {timeout:.3g} s")


async def _over_tcp(query: dns.message.Message, server: Endpoint, timeout: float) -> tuple[bytes, float]:
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await tcp.connect(server.address, server.port, timeout=timeout)
            try:
                writer.write(query.to_wire(prepend_length=True))
                wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                await tcp.close(writer)
    except TimeoutError:
        raise Failed(Kind.TIMEOUT, f"{server} did not respond over TCP within {timeout:.3g} s") from None
    except (asyncio.IncompleteReadError, OSError):
        raise Failed(Kind.PROTOCOL, f"{server} closed the TCP connection in the middle of its response") from None
    if not _answers(query, wire):
        raise Failed(Kind.PROTOCOL, f"{server} responded over TCP, but to a different query")
    return wire, time.monotonic()


def _answers(query: dns.message.Message, wire: bytes) -> bool:
    """Is this an answer to our question? Looks at header and question alone: the rest of a flood is not worth reading."""
    if wire[:2] != query.id.to_bytes(2):
        return False
    try:
        return query.is_response(dns.message.from_wire(wire, question_only=True, ignore_trailing=True))
    except (dns.exception.DNSException, ValueError):
        return False


def _read(wire: bytes, query: dns.message.Message, server: Endpoint, cut: bool, seconds: float) -> Answer:
    try:
        message = dns.message.from_wire(wire, keyring=False, ignore_trailing=True)
        assert isinstance(message, dns.message.QueryMessage)
        message.question = query.question  # some leave it out when they refuse
        chain = message.resolve_chaining()
        values = tuple(sorted(_written(record) for record in chain.answer)) if chain.answer else ()
    except (dns.exception.DNSException, ValueError) as error:
        detail = str(error) or type(error).__name__
        raise Failed(Kind.PROTOCOL, f"{server} sent an inconsistent or malformed response: {detail}") from None
    return Answer(
        server, dns.rcode.to_text(message.rcode()), values, chain.minimum_ttl,
        bool(message.flags & dns.flags.AD), bool(message.flags & dns.flags.AA), _is_referral(message), cut,
        tuple(_reason(error) for error in message.extended_errors()), seconds,
    )  # fmt: skip


def _is_referral(message: dns.message.QueryMessage) -> bool:
    """Is this a referral? Source: RFC 2308 2.2: no answer, and other servers instead of the zone's SOA."""
    kinds = {found.rdtype for found in message.authority}
    return not message.answer and not message.flags & dns.flags.AA and kinds & {RdataType.NS, RdataType.SOA} == {RdataType.NS}


def _reason(error: dns.edns.EDEOption) -> str:
    try:
        message = dns.edns.EDECode(error.code).name.lower().replace("_", " ")
    except ValueError:
        message = f"extended error {error.code}"
    return f"{message} ({error.text[:100]})" if error.text else message


def _written(record: dns.rdata.Rdata) -> str:
    """Text of a record, names in small letters and without their last dot; the strings of a TXT as one."""
    if isinstance(record, TXTBase):
        return b"".join(record.strings).decode(errors="backslashreplace")
    wire = record.to_digestable()  # RFC 4034 6.2: names in small letters, and only names
    text = dns.rdata.from_wire(record.rdclass, record.rdtype, wire, 0, len(wire)).to_text()
    return " ".join(word.rstrip(".") or "." for word in text.split(" "))
