"""security.http_headers: a sound site, sites that leave things open, and servers that fail, hang and lie."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, certificate, context, drips, floods, hangs, ok, redirect, says, serve, slams
from tests.probes.run import Options, against, measured

SOUND = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer, strict-origin-when-cross-origin",
    "Server": "nginx",
    "Set-Cookie": "sid=c00kie; Secure; HttpOnly; SameSite=Lax",
}


def page(status: str = "200 OK", /, **changed: str | None) -> bytes:
    headers = {**SOUND, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return ok(b"Pay", "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None), status)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("pem"))


TO_HTTPS = redirect("https://127.0.0.1/")


def seen(pem: Path, answer: Answer, plain: Answer | None = TO_HTTPS, timeout: float = 5.0, **with_: Any) -> Reading:
    """What is found of an https site whose plain port answers `plain`; None: nobody listens there."""

    async def story() -> Reading:
        async with serve(says(answer) if isinstance(answer, bytes) else answer, context(pem)) as port:
            with_.update(url=f"https://127.0.0.1:{port}/", ca=str(pem))
            if plain is None:
                return await measured("security.http_headers", timeout, http_port=1, **with_)
            async with serve(says(plain) if isinstance(plain, bytes) else plain) as other:
                return await measured("security.http_headers", timeout, http_port=other, **with_)

    return asyncio.run(story())


@pytest.mark.parametrize("plain", [TO_HTTPS, None, slams, hangs], ids=["redirects", "none", "slams", "hangs"])
def test_a_sound_site_is_ok(pem: Path, plain: Answer | None) -> None:
    reading = seen(pem, page(), plain, timeout=1.5)
    assert (reading.status, reading.message) == ("ok", "nothing found")
    assert reading.metrics == {"findings": 0, "critical_findings": 0}


@pytest.mark.parametrize(
    "changed, what, told",
    [
        ({"Strict_Transport_Security": None}, "hsts", "no Strict-Transport-Security: set"),
        ({"Strict_Transport_Security": "includeSubDomains"}, "hsts", "without max-age"),
        ({"Strict_Transport_Security": "max-age=86400"}, "hsts", "lasts 1 days, less than 180"),
        ({"Content_Security_Policy": None, "X_Frame_Options": "DENY"}, "csp", "no Content-Security-Policy: set"),
        ({"Content_Security_Policy": "frame-ancestors 'none'"}, "csp", "scripts from anywhere"),
        ({"Content_Security_Policy": "script-src *; frame-ancestors 'none'"}, "csp", "scripts from *"),
        ({"Content_Security_Policy": "default-src 'self' 'unsafe-inline'; frame-ancestors x"}, "csp", "'unsafe-inline'"),
        ({"X_Content_Type_Options": None}, "content_type_options", '"nosniff"'),
        ({"X_Content_Type_Options": "sniff"}, "content_type_options", '"nosniff"'),
        ({"Content_Security_Policy": "default-src 'self'"}, "frame_ancestors", "every site may frame this one"),
        ({"Content_Security_Policy": "default-src 'self'; frame-ancestors *"}, "frame_ancestors", "allows every site"),
        ({"Referrer_Policy": None}, "referrer_policy", "no Referrer-Policy"),
        ({"Referrer_Policy": "no-referrer, unsafe-url"}, "referrer_policy", "full URL"),
        ({"Set_Cookie": "sid=c00kie; HttpOnly; SameSite=Lax"}, "cookie_secure", "cookie sid: missing Secure"),
        ({"Set_Cookie": "sid=c00kie; Secure; SameSite=Lax"}, "cookie_http_only", "cookie sid: missing HttpOnly"),
        ({"Set_Cookie": "sid=c00kie; Secure; HttpOnly"}, "cookie_same_site", "cookie sid without SameSite"),
        ({"Server": "nginx/1.25.3"}, "server_version", "Server reveals the version: 'nginx/1.25.3'"),
        ({"X_Powered_By": "PHP/8.1"}, "server_version", "X-Powered-By"),
    ],
    ids=str,
)
def test_each_finding_is_named_with_what_to_set(pem: Path, changed: dict[str, str | None], what: str, told: str) -> None:
    changed = {name.replace("_", "-"): value for name, value in changed.items()}
    reading = seen(pem, page(**changed))
    assert reading.status == ("critical" if what == "cookie_secure" else "warning"), reading.message
    assert told in reading.message
    assert [one.labels["what"] for one in reading.series] == [what]
    assert "c00kie" not in reading.message
    assert seen(pem, page(**changed), grades={what: "off"}).status == "ok"
    assert seen(pem, page(**changed), grades={what: "critical"}).metrics["critical_findings"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"Content_Security_Policy": "default-src 'self' 'unsafe-inline' 'nonce-abc'; frame-ancestors 'self'"},
        {"Content_Security_Policy": "default-src 'self'", "X_Frame_Options": "SAMEORIGIN"},
        {"Set_Cookie": "old=; Max-Age=0"},
        {"Set_Cookie": "csrf=1"},
        {"Set_Cookie": None, "Server": None},
    ],
    ids=str,
)
def test_what_is_good_enough_is_no_finding(pem: Path, changed: dict[str, str | None]) -> None:
    assert seen(pem, page(**changed), ignored_cookies=["csrf"]).message == "nothing found"


@pytest.mark.parametrize("plain", [ok(), redirect("http://127.0.0.1/x"), redirect("/x")], ids=["page", "to http", "to a path"])
def test_plain_http_that_does_not_lead_to_https_is_critical(pem: Path, plain: bytes) -> None:
    reading = seen(pem, page(), plain)
    assert (reading.status, "plain http" in reading.message) == ("critical", True)
    assert seen(pem, page(), plain, grades={"https_redirect": "warning"}).status == "warning"


def test_a_site_on_plain_http_only_is_critical_and_secrets_never_go_there(pem: Path) -> None:
    reading = against(says(page()), "security.http_headers", url="http://127.0.0.1:PORT/")
    assert (reading.status, "is plain http" in reading.message) == ("critical", True)
    heard = bytearray()

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))

    seen(pem, page(), listens, token="t0ken", headers={"X-Key": "k3y"})
    assert heard.startswith(b"GET / ")
    assert b"t0ken" not in heard
    assert b"k3y" not in heard


@pytest.mark.parametrize(
    "handler, told",
    [
        (slams, ""),
        (hangs, "within"),
        (drips, "within"),
        (page("503 Busy"), "503"),
        (redirect("/again"), "redirects"),
        (redirect("http://169.254.169.254/"), "metadata"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one)[:20],
)
def test_a_server_that_fails_hangs_or_lies_is_unknown(pem: Path, handler: Answer, told: str) -> None:
    reading = seen(pem, handler, timeout=0.6)
    assert (reading.status, told in reading.message) == ("unknown", True), reading.message


def test_a_thousand_findings_and_an_endless_body_are_a_short_message(pem: Path) -> None:
    cookies = "".join(f"Set-Cookie: {'n' * 100}{one}=v\r\n" for one in range(50))
    reading = seen(pem, ok(b"", cookies))
    assert reading.metrics["findings"] > 150
    assert "and 1" in reading.message
    assert len(reading.message) < 1000
    assert seen(pem, floods).status == "warning"


@pytest.mark.parametrize("wrong", [{"grades": {"cps": "off"}}, {"grades": {"csp": "fatal"}}, {"http_port": 0}], ids=str)
def test_a_wrong_setting_is_refused(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("security.http_headers").Site.model_validate({"url": "https://h/", **wrong})
