"""The text of a body of bytes, in the charset in which a browser would read it.

The order is the browsers' own: a byte order mark, the Content-Type header's charset, the document's declaration (`<meta>`, or
XML's declaration), and without any of them UTF-8, or windows-1252 where it is none. Source: WHATWG HTML 13.2.3.2 "Determining
the character encoding", WHATWG Encoding 4.2 (labels).
"""

import codecs
import encodings
import re
from collections.abc import Iterable, Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from pkgutil import iter_modules

# Python's own encodings that no page is written in: the first two take quadratic time (CVE-2022-45061);
# no browser reads UTF-7 since pages hid scripts in it.
NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7"})
CHARSETS = frozenset(aliases) | {one.name for one in iter_modules(encodings.__path__)}
LONGEST_CHARSET = 40  # characters
HEAD = 65_536  # bytes in which a page may declare its charset; browsers read 1024 first, and again when it is declared later

MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# Labels that mean something else on the web than to Python, and those that it does not know.
LABELS = {
    **dict.fromkeys(("iso8859-1", "ascii", "x-cp1252"), "cp1252"),
    "iso8859-9": "cp1254",
    "x-user-defined": "iso8859-1",
    **dict.fromkeys(("tis-620", "iso8859-11", "windows-874", "dos-874"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "csgb231280"), "gb18030"),
    **dict.fromkeys(("shift_jis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc_kr", "windows-949"), "cp949"),
    **dict.fromkeys(("big5", "cn-big5", "x-x-big5"), "big5hkscs"),
    "x-euc-jp": "euc_jp",
    **dict.fromkeys(("logical", "iso-8859-8-i", "iso-8859-8-e", "visual"), "iso8859-8"),
    "x-mac-roman": "mac-roman",
    **dict.fromkeys(("x-mac-cyrillic", "x-mac-ukrainian"), "mac-cyrillic"),
    **dict.fromkeys(("koi", "koi8", "koi8-ru"), "koi8-u"),
    **dict.fromkeys(("unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8"), "utf-8"),
    **dict.fromkeys(("utf-16", "unicode", "csunicode", "iso-10646-ucs-2", "ucs-2", "unicodefeff"), "utf-16-le"),
    "unicodefffe": "utf-16-be",
    **{f"x-cp125{digit}": f"cp125{digit}" for digit in "01345678"},
}  # fmt: skip
WIDE = frozenset({"utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})

XML = re.compile(r"(?:text|application)/xml|.*\+xml")
PAGE = re.compile(rb"\s*<(?:!--|\?xml|(?:!doctype\s+html|html|head|body|title|script|style|meta|link)\b)", re.IGNORECASE)
DECLARED = re.compile(rb"""<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([^"'>]*)""")
# A comment, an element of raw text, or any tag: what looks like a <meta> inside of the first two, or of a quoted text, is none.
PIECE = re.compile(
    rb"""<!--(?:-?>|.*?(?:--!?>|\Z))"""
    rb"""|<(script|style|title|textarea|xmp|iframe|noframes)\b[^>]{0,2000}>.*?(?:(?=</\1\b)|\Z)"""
    rb"""|<(?P<name>/?[a-z][^\s/>]*)(?P<rest>(?:[^>=]|=\s*(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))?)*)""",
    re.IGNORECASE | re.DOTALL,
)
ATTRIBUTE = re.compile(rb"""([^\s/>=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")
IN_CONTENT = re.compile(rb"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"']+))""", re.IGNORECASE)


def decoded(body: bytes, content_type: Iterable[str], *, truncated: bool = False) -> str:
    """The body as text, without its byte order mark; never fails: what cannot be read is U+FFFD.

    content_type: the header's values in order. truncated: the body goes on, so its last character may be cut off.
    """
    for mark, codec_name in MARKS:
        if body.startswith(mark):
            return _read(body[len(mark) :], codec_name, truncated)
    kind, label = _header_charset(content_type)
    codec = _codec(label)
    if codec is None or (codec in WIDE and not _is_wide(body, codec, truncated)):
        codec = _declared_codec(body[:HEAD], kind)
    return _unlabelled(body, truncated) if codec is None else _read(body, codec, truncated)


def _header_charset(content_type: Iterable[str]) -> tuple[str, str]:
    """The header's media type and charset, lower-cased. Source: WHATWG Fetch, "extract a MIME type": the last one counts,
    and keeps the charset of an earlier one of its kind.
    """
    kind = charset = ""
    for value in ",".join(content_type).split(","):
        essence, *parameters = (part.strip() for part in value.lower().split(";"))
        if "/" not in essence or essence == "*/*":
            if kind or not parameters:
                continue
        elif essence != kind:
            kind, charset = essence, ""
        pairs = (one.partition("=") for one in parameters)
        charset = next((given.strip(" \"'") for name, _, given in pairs if name.strip() == "charset"), charset)
    return kind, charset


def _declared_codec(head: bytes, kind: str) -> str | None:
    """The codec that a page or an XML document declares."""
    is_xml = XML.fullmatch(kind) is not None
    if not (is_xml or kind == "text/html" or (not kind and PAGE.match(head))):
        return None
    labels = [*(() if is_xml else _of_meta(head)), *(found[1] for found in [DECLARED.match(head)] if found)]
    codec = next(filter(None, (_codec(label.decode("latin-1")) for label in labels)), None)
    # A declaration that was readable so far is not in 16 bits a character.
    return "utf-8" if codec in WIDE else codec


def _of_meta(head: bytes) -> Iterator[bytes]:
    """Labels of the <meta> elements that declare a charset. Source: WHATWG HTML 13.2.3.2, "prescan a byte stream"."""
    if b"charset" not in head.lower():
        return
    for piece in PIECE.finditer(head):
        if (piece["name"] or b"").lower() != b"meta":
            continue
        attributes: dict[bytes, bytes] = {}
        for name, *values in ATTRIBUTE.findall(piece["rest"]):
            attributes.setdefault(name.lower(), b"".join(values))
        if b"charset" in attributes:
            yield attributes[b"charset"]
        elif attributes.get(b"http-equiv", b"").strip().lower() == b"content-type":
            yield from (b"".join(found.groups(b"")) for found in [IN_CONTENT.search(attributes.get(b"content", b""))] if found)


@lru_cache(maxsize=256)
def _known(label: str) -> str | None:
    if (codec := LABELS.get(label)) is not None:
        return codec
    # Asked for a name that it does not know, Python would remember it for ever.
    if normalize_encoding(label).lower() not in CHARSETS:
        return None
    try:
        "".encode(label)  # refuses what turns no text into bytes, as base64
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    return None if normalize_encoding(name) in NO_CHARSETS else LABELS.get(name, name)


def _codec(label: str) -> str | None:
    """Python's codec for a charset's name on the web."""
    label = label.strip().lower()
    return _known(label) if 0 < len(label) <= LONGEST_CHARSET else None


def _read(body: bytes, codec: str, truncated: bool, errors: str = "replace") -> str:
    return codecs.getincrementaldecoder(codec)(errors).decode(body, not truncated)


def _is_wide(body: bytes, codec: str, truncated: bool) -> bool:
    """Can it be text of 16 or more bits a character? A header that claims so of plain ASCII is wrong."""
    if b"\0" in body:
        return True
    try:
        _read(body, codec, truncated, "strict")
    except UnicodeError:
        return False
    return not body.isascii()


def _unlabelled(body: bytes, truncated: bool) -> str:
    """UTF-8, also with a few broken characters; UTF-16 without a mark, which its NULs betray; else windows-1252."""
    if len(body) >= 4 and b"\0" in body[:4]:
        low, high = (bytes(filter(None, body[start:64:2])) for start in (0, 1))
        if bool(low) != bool(high):
            return _read(body, "utf-16-le" if low else "utf-16-be", truncated)
    text = _read(body, "utf-8", truncated)
    broken = text.count("\ufffd")
    non_ascii = len(text) - len(text.encode("ascii", "ignore")) - broken if broken else 0
    return text if non_ascii >= broken else _read(body, "cp1252", truncated)
