"""Mail addresses as people write them: one or several, with a name or without, in any script. Pure.

Source: RFC 5322 3.4 (addresses), RFC 6531 (letters beyond ASCII before the @), RFC 5891 and UTS 46 (those after it: a domain
travels as `xn--`, and is mapped to it as browsers do).
"""

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address

import idna

from app.sentence import lower_first

LONGEST, LONGEST_LOCAL = 254, 64  # octets; RFC 5321 4.5.3.1
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NAMED = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*"|[^"<>]*?)\s*<(?P<address>[^<>]*)>')
_ONE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^<>]*>|[^,])+')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One recipient or sender; `domain` is as it travels."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def international(self) -> bool:
        """Whether a server must offer SMTPUTF8 for it."""
        return not self.local.isascii()

    @property
    def header(self) -> Address:
        """As `From` and `To` carry it."""
        return Address(self.name, self.local, self.domain)


def mailbox(text: str) -> Mailbox:
    """`ada@example.com`. Raises ValueError that says what is wrong."""
    local, _, domain = text.rpartition("@")
    try:  # the library's parser takes ASCII only; in an address any other letter may stand where a letter may (RFC 6531)
        parsed = Address(addr_spec=_NOT_ASCII.sub("x", text))
    except (ValueError, IndexError, MessageError):
        parsed = None
    if parsed is None or not parsed.domain or not text.isprintable() or len(local.encode()) > LONGEST_LOCAL:
        raise ValueError(f"{text[:80]!r} is not a mail address")
    try:
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except UnicodeError as error:
        raise ValueError(f"{text[:80]!r} is not a mail address: {domain!r} is not a domain ({_error_text(error)})") from None
    if len(local.encode()) + len(domain) >= LONGEST:
        raise ValueError(f"{text[:80]!r} is not a mail address: it is longer than {LONGEST} characters")
    return Mailbox("", local, domain)


def named(text: str) -> Mailbox:
    """`ada@example.com` or `Ada Lovelace <ada@example.com>`. Raises ValueError."""
    match = _NAMED.fullmatch(text.strip())
    if match is None:
        return mailbox(text)
    name = match["name"]
    name = re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name
    if not name.isprintable():
        raise ValueError(f"the name in {text[:80]!r} contains a character that cannot be displayed")
    found = mailbox(match["address"])
    return Mailbox(name, found.local, found.domain)


def several(text: str) -> tuple[Mailbox, ...]:
    """One or more, separated by commas; each once. Raises ValueError."""
    found = [named(part) for part in (one[0].strip() for one in _ONE.finditer(text)) if part]
    if not found:
        raise ValueError(f"{text[:80]!r} is not a mail address")
    return tuple({one.address: one for one in found}.values())


def _error_text(error: UnicodeError) -> str:
    return lower_first(str(error))
