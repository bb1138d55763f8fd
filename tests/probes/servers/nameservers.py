"""What name servers answer that fail and lie: one function each, from a query to datagrams (tests/net/udp.py)."""

import dns.edns
import dns.message
import dns.rcode
import dns.rrset


def made(
    query: bytes, *records: str, flags: int = 0, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, why: str = ""
) -> dns.message.Message:
    """A sound answer to a query: records in zone-file form, e.g. `www.shop.test. 60 IN A 192.0.2.10`."""
    options: list[dns.edns.Option] = [dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, why)] if why else []
    answer = dns.message.make_response(dns.message.from_wire(query))
    answer.use_edns(0, options=options)
    answer.flags |= flags
    answer.set_rcode(rcode)
    for record in records:
        name, ttl, class_, kind, *data = record.split(" ")
        answer.answer.append(dns.rrset.from_text(name, int(ttl), class_, kind, " ".join(data)))
    return answer


def wrong_id(query: bytes) -> list[bytes]:
    answer = made(query, "www.shop.test. 60 IN A 192.0.2.66")
    answer.id ^= 1
    return [answer.to_wire()]


def wrong_question(query: bytes) -> list[bytes]:
    other = dns.message.make_query("bank.test", "A", id=int.from_bytes(query[:2]))
    return [made(other.to_wire(), "bank.test. 60 IN A 192.0.2.66").to_wire()]


def echo(query: bytes) -> list[bytes]:
    return [query]


def flood(query: bytes) -> list[bytes]:
    return [b"\xff" * 60_000] * 20


def cut_in_the_middle(query: bytes) -> list[bytes]:
    return [made(query, "www.shop.test. 60 IN A 192.0.2.10").to_wire()[:-7]]


def loop_of_names(query: bytes) -> list[bytes]:
    return [made(query, "www.shop.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME www.shop.test.").to_wire()]


def pointer_loop(query: bytes) -> list[bytes]:
    return [query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:31] + b"\xc0\x1f" * 50]


def nxdomain_with_an_answer(query: bytes) -> list[bytes]:
    return [made(query, "www.shop.test. 60 IN A 192.0.2.10", rcode=dns.rcode.NXDOMAIN).to_wire()]


def of_another_name(query: bytes) -> list[bytes]:
    return [made(query, "bank.test. 60 IN A 192.0.2.10").to_wire()]


def refuses(query: bytes) -> list[bytes]:
    return [query[:2] + b"\x81\x85" + bytes(8)]  # without the question, as some do


def bogus(query: bytes) -> list[bytes]:
    return [made(query, rcode=dns.rcode.SERVFAIL, why="signature expired").to_wire()]


def refers(query: bytes) -> list[bytes]:
    answer = made(query)
    answer.authority.append(dns.rrset.from_text("test.", 60, "IN", "NS", "ns.elsewhere.test."))
    return [answer.to_wire()]
