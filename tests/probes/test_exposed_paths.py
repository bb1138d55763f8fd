"""security.exposed_paths: sites that leave files lying about, sites that only seem to, and servers that fail, hang and lie."""

import asyncio
import time
from typing import Any

import pytest
from pydantic import ValidationError

from app import plugins
from app.checks.probe import Reading
from tests.net.serve import Answer, drips, floods, hangs, ok, redirect, says, slams
from tests.probes.run import Options, against, measure

NONE = ok(b"<!doctype html><title>Not found</title>", status="404 Not Found")
PAGE = ok(b"<!DOCTYPE html><html><title>Shop</title><pre>DB_HOST=x\nref: refs/heads/main</pre></html>")
PRIVATE = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"


class Site:
    """Files by path; `nowhere` is the answer for what is not there."""

    def __init__(self, nowhere: bytes = NONE) -> None:
        self.nowhere = nowhere
        self.files: dict[str, Answer] = {}
        self.asked: list[str] = []

    def put(self, path: str, body: Answer) -> "Site":
        self.files[path] = ok(body) if isinstance(body, bytes) and not body.startswith(b"HTTP/") else body
        return self

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            self.asked.append(path)
            answer = self.files.get(path, self.nowhere)
            if callable(answer):
                await answer(reader, writer)
                return
            if b"PATH" in answer:
                answer = ok(answer.partition(b"\r\n\r\n")[2].replace(b"PATH", path.encode()))
            writer.write(answer)
            await writer.drain()


def searched(site: Answer, timeout: float = 5.0, **with_: Any) -> Reading:
    handler = says(site) if isinstance(site, bytes) else site
    url = with_.pop("url", "http://127.0.0.1:PORT/")
    return against(handler, "security.exposed_paths", url=url, timeout=timeout, **with_)


def found(reading: Reading) -> list[str]:
    return sorted(one.labels["path"] for one in reading.series)


def test_a_clean_site_is_ok_and_asked_few_times_over_few_connections() -> None:
    site = Site()
    reading = searched(site)
    assert (reading.status, reading.metrics["exposed_paths"]) == ("ok", 0), reading.message
    assert len(site.asked) == len(set(site.asked)) == reading.metrics["asked_paths"] + 1 < 40


@pytest.mark.parametrize(
    "path, body, status",
    [
        ("/.git/HEAD", b"ref: refs/heads/main\n", "critical"),
        ("/.git/HEAD", b"0123456789abcdef0123456789abcdef01234567\n", "critical"),
        ("/.git/config", b"[core]\n\tbare = false\n", "critical"),
        ("/.svn/wc.db", b"SQLite format 3\0", "critical"),
        ("/.env", b"# shop\nAPP_KEY=s3cret\n", "critical"),
        ("/wp-config.php.bak", b"<?php define('DB_PASSWORD', 's3cret');", "critical"),
        ("/.htpasswd", b"ada:$apr1$s3cret\n", "critical"),
        ("/.aws/credentials", b"[default]\naws_secret_access_key = s3cret\n", "critical"),
        ("/.ssh/id_rsa", PRIVATE, "critical"),
        ("/server.key", PRIVATE.replace(b"OPENSSH ", b""), "critical"),
        ("/dump.sql", b"-- PostgreSQL database dump\n", "critical"),
        ("/backup.sql", b"SET NAMES utf8;\nINSERT INTO users VALUES ('s3cret');\n" * 10_000, "critical"),
        ("/backup.zip", b"PK\x03\x04\x14\0", "critical"),
        ("/backup.tar.gz", b"\x1f\x8b\x08\0", "critical"),
        ("/backup.tar.gz", b"a" * 257 + b"ustar", "critical"),
        ("/.DS_Store", b"\0\0\0\1Bud1\0", "warning"),
        ("/server-status", b"<html><title>Apache Status</title><h1>Apache Server Status for x</h1>", "warning"),
        ("/server-status", b"Active connections: 2 \n", "warning"),
        ("/phpinfo.php", b"<!DOCTYPE html><title>PHP 8.1.2 - phpinfo()</title>", "warning"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("nowhere", [NONE, PAGE], ids=["404", "200 to everything"])
def test_a_file_that_lies_open_is_found_and_never_quoted(path: str, body: bytes, status: str, nowhere: bytes) -> None:
    reading = searched(Site(nowhere).put(path, body))
    assert (reading.status, found(reading)) == (status, [path]), reading.message
    assert path in reading.message
    assert "s3cret" not in reading.message


@pytest.mark.parametrize(
    "nowhere",
    [
        PAGE,
        ok(b"You asked for PATH: Apache Server Status, phpinfo() and [core]"),
        ok(b"ref: refs/heads/main\nAPP_KEY=1\n[core]\nINSERT INTO x\n-----BEGIN PRIVATE KEY-----\n"),
        ok(PRIVATE),
        ok(b""),
        ok(b"\xff\xfe\0\xd8" * 1000, "Content-Type: text/plain; charset=utf-16\r\n"),
        redirect("/login"),
        ok(b"APP_KEY=1", status="403 No"),
    ],
    ids=["a page", "echo", "a honeypot", "a key", "nothing", "wrong charset", "a login", "forbidden"],
)
def test_a_site_that_answers_everything_alike_alarms_nobody(nowhere: bytes) -> None:
    reading = searched(Site(nowhere))
    assert (reading.status, reading.metrics["exposed_paths"]) == ("ok", 0), reading.message


@pytest.mark.parametrize(
    "nowhere, body, pattern, is_found",
    [
        (NONE, b"anything", "", True),
        (PAGE, b"anything", "", True),
        (PAGE, PAGE.partition(b"\r\n\r\n")[2], "", False),
        (ok(b"No PATH here, request 1234567"), b"No /admin/ here, request 7654321", "", False),
        (NONE, b"<html>Adminer 4.8</html>", "Adminer", True),
        (NONE, b"<html>Shop</html>", "Adminer", False),
        (NONE, "Grüße".encode(), "Grüße", True),
        (NONE, b"", "", False),
    ],
)
def test_own_paths_are_asked_for_too(nowhere: bytes, body: bytes, pattern: str, is_found: bool) -> None:
    reading = searched(Site(nowhere).put("/admin/", body), paths={"/admin/": pattern})
    assert found(reading) == ["/admin/"] * is_found, reading.message


def test_a_path_that_is_meant_to_be_open_is_left_out_and_a_prefix_is_kept() -> None:
    site = Site().put("/.git/HEAD", b"ref: refs/heads/main\n").put("/app/.env", b"APP_KEY=1\n")
    assert searched(site, skip=["/.git/HEAD"]).status == "ok"
    assert "/.git/HEAD" not in site.asked
    assert found(searched(site, url="http://127.0.0.1:PORT/app/?x=1")) == ["/.env"]


@pytest.mark.parametrize(
    "server, told",
    [
        (hangs, "within"),
        (drips, "within"),
        (slams, ""),
        (ok(status="503 Busy"), "503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
    ],
    ids=["hangs", "drips", "slams", "busy", "no web server"],
)
def test_a_server_that_fails_or_hangs_is_unknown_within_the_time_out(server: Answer, told: str) -> None:
    started = time.monotonic()
    reading = searched(server, timeout=0.8)
    assert (reading.status, told in reading.message) == ("unknown", True), reading.message
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("answer", [hangs, ok(status="429 Slow down"), slams], ids=["hangs", "is limited", "slams"])
def test_one_path_without_an_answer_is_said_and_hides_no_other(answer: Answer) -> None:
    site = Site().put("/.svn/wc.db", answer).put("/info.php", b"<title>phpinfo()</title>")
    reading = searched(site, timeout=1.5)
    assert (reading.status, found(reading)) == ("warning", ["/info.php"]), reading.message
    assert "1 of " in reading.message
    assert searched(Site().put("/.svn/wc.db", answer), timeout=1.5).status == "unknown"


async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nPK\x03\x04")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


def test_an_endless_file_is_read_a_little() -> None:
    reading = searched(Site().put("/backup.zip", pours))
    assert (reading.status, found(reading)) == ("critical", ["/backup.zip"])
    assert searched(floods).status == "ok"


def test_nobody_listening_is_unknown() -> None:
    assert measure("security.exposed_paths", url="http://127.0.0.1:1/").status == "unknown"


@pytest.mark.parametrize(
    "wrong",
    [{"paths": {"admin": ""}}, {"paths": {"/a b": ""}}, {"paths": {"/a": "("}}, {"skip": ["x"]}, {"max_bytes": 1}],
    ids=str,
)
def test_a_wrong_setting_is_refused(wrong: Options) -> None:
    with pytest.raises(ValidationError):
        plugins.probe_module("security.exposed_paths").Site.model_validate({"url": "http://h/", **wrong})


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_files_and_pages_in_other_charsets_are_known(charset: str) -> None:
    secret = Site().put("/.env", "DB_PASSWORD=1\r\n".encode(charset))
    assert found(searched(secret)) == ["/.env"]
    page = Site().put("/.env", "<html><pre>\nDB_PASSWORD=1\n</pre>".encode(charset))
    assert searched(page).status == "ok"
