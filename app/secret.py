"""Which names are secret, and texts and URLs without what is secret in them: the one copy of that decision. Pure.

In any text these are the login of a URL and the values of its parameters that sound secret. What of a setting is secret by its
type as well is in `app.redact`. The supervisor, a process of 14 MB, hides what others print: only the standard library here.
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

STARS = "***"
_WORDS = (
    r"secret|token|password|passwd|passphrase|passcode|\bpwd\b|credential|authorization|cookie|(?:api|private|routing)[_-]?key"
)
NAMES = re.compile(_WORDS, re.I)  # of fields, of a log line's keywords, of `name=value` in a text
KEYS = re.compile(  # of maps that people fill in: headers, parameters
    r"auth(?!ors?\b)|token|key|cookie|secret|pass|pwd|credential|session|signature|\bsig\b", re.I
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://((?:\{\{[^}]*\}\}|\$\{[^}]*\}|[^\s\"'<>])+)")
_ANY_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S*")
_TOKEN = re.compile(r"\{\{[^}]*\}\}|\$\{[^}]*\}|.", re.DOTALL)
_PARAMETER = re.compile(r"[?&]([^=&#?]{1,200})=((?:\{\{[^}]*\}\}|\$\{[^}]*\}|[^&#])+)")
_FILLED_IN = re.compile(r"(?:\{\{[^}]*\}\}|\$\{[^}:]*\})+")  # nothing but places for values

# What a line of a log may hold beside: URLs with a password that was not percent-encoded, `name=value`, SQL, PostgreSQL's
# DETAIL, headers, our own tokens, keys in paths.
_LINES = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*):[^\s'\"]*@", re.I), rf"\1:{STARS}@"),
    (
        re.compile(rf"(?<![\w.-])([\w.-]{{0,64}}?(?:{_WORDS})[\w.-]{{0,64}}\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s'\"&,;)]+)", re.I),
        rf"\1{STARS}",
    ),
    (re.compile(r"\b(password\s+)('[^']*'|E'[^']*')", re.I), rf"\1{STARS}"),
    (re.compile(r"\b(bearer|basic|geniekey)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.I), rf"\1\2{STARS}"),
    (re.compile(r"\btocsin_[0-9a-z]+\.[\w-]+"), f"tocsin_{STARS}"),
    (re.compile(r"(Failing row contains |Key \([^)]*\)=)\(.*\)"), rf"\1({STARS})"),
    (re.compile(r"(/(?:in|ping|a|invite)/)(?!\*)[^\s/?\"']{8,}"), rf"\1{STARS}"),
)

Change = Callable[[str], str]
Span = tuple[int, int]


def is_secret_name(name: str) -> bool:
    """Whether what is called so is never shown."""
    return NAMES.search(name) is not None


def is_secret_key(name: str) -> bool:
    """The same of a key that people chose: of a map that they fill in, of a URL's query."""
    return KEYS.search(name) is not None


def in_text(text: str, change: Change) -> str:
    """`text` with the secret parts of the URLs in it changed; those that only hold a place for a value stay."""
    for start, end in reversed([part for url in _URL.finditer(text) for part in _parts(url)] if "://" in text else []):
        if start < end and not _FILLED_IN.fullmatch(text[start:end]):
            text = text[:start] + change(text[start:end]) + text[end:]
    return text


def starred(text: str) -> str:
    """`text` with the secret parts of the URLs in it starred."""
    return in_text(text, lambda _: STARS)


def hide(line: str) -> str:
    """A line of a log with what is secret in it starred; of a URL's login the user stays: one sees who could not log in."""
    for pattern, instead in _LINES:
        line = pattern.sub(instead, line)
    for start, end in reversed([part for url in _URL.finditer(line) for part in _parts(url)] if "://" in line else []):
        user, colon, _ = line[start:end].partition(":")
        keeps = f"{user}:" if colon and line[end : end + 1] == "@" else ""
        line = line[:start] + keeps + STARS + line[end:]
    return line


def starred_url(url: str) -> str:
    """The URL with its secrets starred; of an unreadable one no more than its scheme."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://{STARS}"
    if parts.fragment or "@" in parts.path or ("@" in parts.query and "@" not in parts.netloc):
        return f"{parts.scheme}://{STARS}"  # a password that was not percent-encoded may stand anywhere
    return starred(url)


def without_urls(text: str) -> str:
    """`text` with no more of each URL than its scheme: libraries quote those that they cannot read, password and all."""
    return _ANY_URL.sub(rf"\1://{STARS}", text)


def without_login(url: str) -> str:
    """The URL without user name and password."""
    found = _URL.match(url)
    login = found and _login(found)
    return url if not login else url[: login[0]] + url[login[1] + 1 :]


def has_login(text: str) -> bool:
    """Whether a URL in `text` holds a user name or password."""
    return any(_login(url) for url in _URL.finditer(text))


def _parts(url: re.Match[str]) -> Iterator[Span]:
    """Where the secret parts of a URL in a text stand: user and password, then values of parameters."""
    if login := _login(url):
        yield login
    for one in _PARAMETER.finditer(url[1], _authority(url[1])):
        if is_secret_key(unquote(one[1])):
            yield url.start(1) + one.start(2), url.start(1) + one.end(2)


def _login(url: re.Match[str]) -> Span | None:
    end = _authority(url[1])
    return (url.start(1), url.start(1) + url[1].rindex("@", 0, end)) if "@" in url[1][:end] else None


def _authority(rest: str) -> int:
    """How long the authority of a URL is, of which `rest` follows the scheme; places for values may hold what would end it."""
    return next((one.start() for one in _TOKEN.finditer(rest) if one[0] in ("/", "?", "#")), len(rest))
