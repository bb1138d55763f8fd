"""Security of a site's responses: missing or weak headers, cookies without flags, plain HTTP.

Metrics: `findings`, `critical_findings`; `finding` counts them by label `what`.

`grades` sets the status of each finding. By default, plain HTTP that does not redirect to HTTPS and cookies sent over it are
critical; all others warn. Unknown: no response, or a server error, since an error page says nothing about the others. Sources:
OWASP Secure Headers Project; RFC 6797 (HSTS).
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from app.checks.probe import Field, Reading, Run, Series, Spec, Status, Unknown, probe, worst
from app.net.ask import MARGIN, Server
from app.net.http import Failed, Kind, Response, fetch

What = Literal[
    "https_redirect", "hsts", "csp", "content_type_options", "frame_ancestors", "referrer_policy", "cookie_secure",
    "cookie_http_only", "cookie_same_site", "server_version",
]  # fmt: skip
Grade = Literal["critical", "warning", "off"]

CRITICAL = ("https_redirect", "cookie_secure")
DAY = 86_400
PLAIN_SHARE = 0.3  # of the time, for the question over plain http
NAMED = 10  # findings that a message names

POLICIES = {"no-referrer", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
            "strict-origin-when-cross-origin", "no-referrer-when-downgrade", "unsafe-url"}  # fmt: skip
VERSION_HEADERS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator")
MAX_AGE = re.compile(r'(?:^|;)\s*max-age\s*=\s*"?(\d{1,12})', re.IGNORECASE)
VERSION = re.compile(r"\d+\.\d|/\d")
INLINE = re.compile(r"'nonce-|'sha(?:256|384|512)-|'strict-dynamic'", re.IGNORECASE)


class Site(Server, Spec):
    """Which page, and how bad each finding is."""

    follow_redirects: int = Field(
        default=5, ge=0, le=20, description="maximum number of redirects to follow; the last response is checked"
    )
    grades: dict[What, Grade] = Field(
        default={},
        description="finding mapped to `critical`, `warning` or `off`, to change the defaults: https_redirect and"
        " cookie_secure are critical; hsts, csp, content_type_options, frame_ancestors, referrer_policy, cookie_http_only,"
        " cookie_same_site and server_version warn",
    )
    hsts_days: int = Field(default=180, ge=1, le=3650, description="minimum max-age of HSTS, in days", examples=[365])
    ignored_cookies: list[str] = Field(default=[], description="names of cookies to ignore")
    http_port: int = Field(default=80, ge=1, le=65535, description="plain HTTP port to check for an https URL")


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Site, run: Run) -> Reading:
    until = time.monotonic() + run.timeout * MARGIN
    try:
        response = await fetch(spec.request(spec.url, run.timeout * MARGIN, follow_redirects=spec.follow_redirects))
    except Failed as failed:
        raise Unknown(str(failed)) from None
    if response.status >= 500:
        raise Unknown(f"the response is an error: {response.status}; its headers do not represent the site")
    found = [(what, text) for what, check in HEADER_CHECKS.items() for text in check(response, spec)]
    if _grade(spec, "https_redirect") != "off":
        found += [("https_redirect", text) for text in await _over_plain_http(response, spec, until - time.monotonic())]
    return _reading([(what, text) for what, text in found if _grade(spec, what) != "off"], spec)


def _grade(spec: Site, what: What) -> Grade:
    return spec.grades.get(what, "critical" if what in CRITICAL else "warning")


def _reading(found: list[tuple[What, str]], spec: Site) -> Reading:
    found = sorted(found, key=lambda one: _grade(spec, one[0]) != "critical")
    critical = sum(_grade(spec, what) == "critical" for what, _ in found)
    text = [text for _, text in found[:NAMED]] + [f"and {len(found) - NAMED} more"] * (len(found) > NAMED)
    return Reading(
        worst(Status(_grade(spec, what)) for what, _ in found),
        f"{len(found)} findings: {'; '.join(text)}" if found else "nothing found",
        {"findings": len(found), "critical_findings": critical},
        tuple(Series("finding", count, {"what": what}) for what, count in Counter(what for what, _ in found).items()),
    )


async def _over_plain_http(response: Response, spec: Site, left: float) -> list[str]:
    """What is wrong with plain http; nothing when the port does not answer."""
    if response.url[:6].lower() != "https:":
        return [f"{response.url[:80]} is plain http: redirect it to https"]
    parts = urlsplit(response.url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    url = urlunsplit(("http", f"{host}:{spec.http_port}", parts.path or "/", "", ""))
    try:
        plain = await fetch(spec.request(url, max(left * PLAIN_SHARE, 0.05), trusted=False))
    except Failed as failed:
        if failed.kind is Kind.BLOCKED:
            raise Unknown(str(failed)) from None
        return []
    to = plain.headers.get("location", "")
    if 300 <= plain.status < 400 and to[:8].lower() == "https://":
        return []
    return [f"port {spec.http_port} answers plain http with {plain.status}: redirect it to https with 301"]


def _hsts(response: Response, spec: Site) -> Iterator[str]:
    if response.url[:6].lower() != "https:":
        return  # browsers heed it over https only
    value = response.headers.get("strict-transport-security")
    wanted = 'set "max-age=31536000; includeSubDomains"'
    if value is None:
        yield f"no Strict-Transport-Security: {wanted}"
    elif (age := MAX_AGE.search(value)) is None:
        yield f"Strict-Transport-Security without max-age: {wanted}"
    elif int(age[1]) < spec.hsts_days * DAY:
        yield f"Strict-Transport-Security lasts {int(age[1]) / DAY:g} days, less than {spec.hsts_days}: {wanted}"


def _directives(response: Response) -> dict[str, str]:
    """The content security policy's directives; of several policies all hold, so the first that names one is enough."""
    found: dict[str, str] = {}
    for policy in response.headers.get("content-security-policy", "").split(","):
        for directive in policy.split(";"):
            name, _, sources = directive.strip().partition(" ")
            found.setdefault(name.lower(), sources.strip())
    found.pop("", None)
    return found


def _csp(response: Response, spec: Site) -> Iterator[str]:  # noqa: ARG001
    directives = _directives(response)
    if not directives:
        only = "only a Content-Security-Policy-Report-Only" if "content-security-policy-report-only" in response.headers else ""
        yield f"{only or 'no Content-Security-Policy'}: set at least \"default-src 'self'\""
        return
    scripts = directives.get("script-src", directives.get("default-src"))
    if scripts is None:
        yield "Content-Security-Policy allows scripts from anywhere: add default-src or script-src"
    elif "*" in scripts.split():
        yield "Content-Security-Policy allows scripts from *: name their hosts"
    elif "'unsafe-inline'" in scripts.lower() and not INLINE.search(scripts):
        yield "Content-Security-Policy allows 'unsafe-inline' scripts: use nonces or hashes"


def _content_type_options(response: Response, spec: Site) -> Iterator[str]:  # noqa: ARG001
    if response.headers.get("x-content-type-options", "").partition(",")[0].strip().lower() != "nosniff":
        yield 'no X-Content-Type-Options: set "nosniff"'


def _frame_ancestors(response: Response, spec: Site) -> Iterator[str]:  # noqa: ARG001
    ancestors = _directives(response).get("frame-ancestors")
    if ancestors is not None:
        if "*" in ancestors.split():
            yield "frame-ancestors allows every site to frame this one: name those that may"
    elif response.headers.get("x-frame-options", "").strip().lower() not in ("deny", "sameorigin"):
        yield "every site may frame this one: set \"frame-ancestors 'self'\" in the Content-Security-Policy"


def _referrer_policy(response: Response, spec: Site) -> Iterator[str]:  # noqa: ARG001
    policies = [one.strip().lower() for one in response.headers.get("referrer-policy", "").split(",")]
    known = [one for one in policies if one in POLICIES]  # the last one a browser knows counts
    if not known:
        yield 'no Referrer-Policy: set "strict-origin-when-cross-origin"'
    elif known[-1] == "unsafe-url":
        yield 'Referrer-Policy sends the full URL to every site: set "strict-origin-when-cross-origin"'


def _cookies(response: Response, spec: Site) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and attributes of each cookie, of the redirects' too; not of one that is being deleted."""
    for line in response.lines:
        if line[:11].lower() != b"set-cookie:":
            continue
        cookie, *rest = line[11:].decode("latin-1").split(";")
        pairs = (attribute.partition("=") for attribute in rest)
        attributes = {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
        name = cookie.partition("=")[0].strip()
        if name not in spec.ignored_cookies and attributes.get("max-age") not in ("0", "-1"):
            yield name[:40], attributes


def _cookie_lacks(flag: str) -> "HeaderCheck":
    def check(response: Response, spec: Site) -> Iterator[str]:
        for name, attributes in _cookies(response, spec):
            if flag.lower() not in attributes:
                yield f"cookie {name}: missing {flag}"

    return check


def _cookie_same_site(response: Response, spec: Site) -> Iterator[str]:
    for name, attributes in _cookies(response, spec):
        if attributes.get("samesite") not in ("lax", "strict", "none"):
            yield f"cookie {name} without SameSite: set Lax or Strict"


def _server_version(response: Response, spec: Site) -> Iterator[str]:  # noqa: ARG001
    for name in VERSION_HEADERS:
        value = response.headers.get(name, "")
        if VERSION.search(value):
            yield f"header {name.title()} reveals the version: {value[:40]!r}"


HeaderCheck = Callable[[Response, Site], Iterator[str]]
HEADER_CHECKS: dict[What, HeaderCheck] = {
    "hsts": _hsts,
    "csp": _csp,
    "content_type_options": _content_type_options,
    "frame_ancestors": _frame_ancestors,
    "referrer_policy": _referrer_policy,
    "cookie_secure": _cookie_lacks("Secure"),
    "cookie_http_only": _cookie_lacks("HttpOnly"),
    "cookie_same_site": _cookie_same_site,
    "server_version": _server_version,
}
