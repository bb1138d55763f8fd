"""CSRF protection: form tokens and same origin."""

import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

from app.errors import Denied, NotLoggedIn, TooLarge
from app.settings import settings

FORM_LIMIT = 256 * 1024  # bytes
TOKEN = 16  # bytes
ENTRANCES = ("/login", "/invite/")  # whose forms need no session

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def cookie_name(what: str) -> str:
    """Browsers share cookies between ports, and two stacks may run side by side: the name carries the key's digest."""
    return f"tocsin_{what}_{sha256(b'cookie' + settings().key).hexdigest()[:8]}"


def form_token(cookie: str) -> str:
    """The token a form of this session (or of this visitor, before log-in) must carry.

    Written anew each time, under a mask: the size of a compressed page tells nothing of it (BREACH, 2013).
    """
    mask = secrets.token_bytes(TOKEN)
    return (mask + _masked(_token(cookie), mask)).hex()


def _token(cookie: str) -> bytes:
    return hmac.new(settings().key, b"form\0" + cookie.encode(), sha256).digest()[:TOKEN]


def _masked(token: bytes, mask: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(token, mask, strict=True))


def _fits(given: str, cookie: str) -> bool:
    """Whether this is a token of this cookie, under whatever mask."""
    try:
        raw = bytes.fromhex(given)
    except ValueError:
        return False
    return len(raw) == 2 * TOKEN and hmac.compare_digest(_masked(raw[TOKEN:], raw[:TOKEN]), _token(cookie))


def bound_cookie(request: Request) -> str | None:
    """The cookie that form tokens hang on: the session's, or the visitor's before there is one."""
    return request.cookies.get(cookie_name("session")) or request.cookies.get(cookie_name("visitor"))


async def check_form(request: Request) -> None:
    """Raise Denied unless this POST is of a form of ours, NotLoggedIn without a session, TooLarge for what nobody types."""
    size = request.headers.get("content-length", "")
    if not size.isdecimal() or int(size) > FORM_LIMIT:
        raise TooLarge(f"form larger than {FORM_LIMIT // 1024} KiB")
    if not same_origin(request):
        raise Denied("the request came from another site; open the page here and retry")
    cookie = bound_cookie(request)
    request.state.form = await request.form(max_fields=200)
    given = request.state.form.get("csrf")
    if not cookie and not request.url.path.startswith(ENTRANCES):
        raise NotLoggedIn("the session has expired")
    if not cookie or not isinstance(given, str) or not _fits(given, cookie):
        raise Denied("the form belongs to another session; reload the page and retry")


def same_origin(request: Request) -> bool:
    """Whether the browser says that one of our own pages sent this. A request that says nothing is not one of ours."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return site is not None
    ours = {request.headers.get("host", "").lower(), urlsplit(settings().url).netloc.lower()}
    return urlsplit(origin).netloc.lower() in ours - {""}


def over_tls(request: Request) -> bool:
    """Whether cookies may be marked Secure."""
    return request.url.scheme == "https" or settings().url.startswith("https:")


def base_url(request: Request) -> str:
    """How people reach us, for a link shown to them: as declared, else as a trusted proxy says; never by a stranger's word."""
    if settings().base_url is None and getattr(request.state, "proxied", False):
        return f"{request.url.scheme}://{request.headers.get('host', '')}"
    return settings().url
