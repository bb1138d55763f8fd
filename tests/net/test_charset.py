"""A body is read in the charset in which a browser would read it."""

import time

import pytest

from app.net.charset import HEAD, decoded

HTML = "text/html"


def page(text: str, charset: str, head: str = "", mark: bytes = b"") -> bytes:
    return mark + f"<!doctype html><html><head>{head}</head><body>{text}</body>".encode(charset)


def meta(charset: str) -> str:
    return f"<meta charset={charset}>"


def pragma(charset: str) -> str:
    return f'<META content="text/html; charset={charset}" http-equiv=Content-Type />'


@pytest.mark.parametrize(
    ("body", "header"),
    [
        pytest.param(page("Störung", "utf-8"), HTML, id="nothing said: UTF-8"),
        pytest.param(page("Störung", "cp1252"), HTML, id="nothing said, and no UTF-8: windows-1252"),
        pytest.param(page("Störung", "cp1252"), "", id="no header at all"),
        pytest.param(page("Störung", "latin-1", meta("iso-8859-1")), HTML, id="meta charset"),
        pytest.param(page("Störung", "latin-1", meta("iso-8859-1")), "", id="meta charset without a header"),
        pytest.param(page("Störung", "cp1250", pragma("windows-1250")), HTML, id="meta http-equiv"),
        pytest.param(page("Störung", "utf-8", meta("koi8-r")), "text/html; charset=utf-8", id="the header goes before meta"),
        pytest.param(page("Störung", "cp437", meta("cp437")), "text/html; charset=nonsense", id="an unknown header gives way"),
        pytest.param(page("Störung", "utf-8", meta("koi8-r"), b"\xef\xbb\xbf"), "text/html; charset=koi8-r", id="mark"),
        pytest.param(page("Störung", "utf-16-le", meta("utf-8"), b"\xff\xfe"), "text/html; charset=utf-8", id="UTF-16, mark"),
        pytest.param(page("Störung", "utf-16-be", "", b"\xfe\xff"), HTML, id="UTF-16 big-endian, mark"),
        pytest.param(page("Störung", "utf-16-le"), "text/html; charset=utf-16", id="UTF-16 by header, no mark"),
        pytest.param(page("Störung", "utf-16-be"), "text/html; charset=UTF-16BE", id="UTF-16BE by header, no mark"),
        pytest.param(page("Störung", "utf-16-be"), HTML, id="UTF-16BE that nobody names"),
        pytest.param(page("Störung", "utf-16-le"), "", id="UTF-16 that nobody names"),
        pytest.param(page("Störung", "utf-8", meta("utf-16")), HTML, id="a meta that says UTF-16 is read as UTF-8"),
        pytest.param(page("Störung", "utf-8"), "text/html; charset=utf-16", id="a header that says UTF-16 of UTF-8"),
        pytest.param(page("Störung", "cp1252", meta("x-user-defined")), HTML, id="a label of the web only"),
        pytest.param(page("Störung", "cp1252", meta("nonsense") + meta("latin1")), HTML, id="the first meta that is known"),
        pytest.param(page("Störung", "cp1252", "<!-- <meta charset=utf-8> -->" + meta("l1")), HTML, id="not in a comment"),
        pytest.param(page("Störung", "cp1252", "<script>'<meta charset=koi8-r>'</script>"), HTML, id="not in a script"),
        pytest.param(page("Störung", "cp1252", "<a title='<meta charset=koi8-r>'>"), HTML, id="not in an attribute"),
        pytest.param(page("Störung", "cp1252", "<meta name=x content='charset=koi8-r'>"), HTML, id="not in another meta"),
        pytest.param(page("Störung", "cp1250", "<!--" + "x" * 2000 + "-->" + meta("cp1250")), HTML, id="behind 1024 bytes"),
        pytest.param(page("Störung", "cp1250", "<meta data-x=\"a>b\" CHARSET = 'cp1250'>"), HTML, id="spaces and quotes"),
        pytest.param("Störung".encode("cp1252"), "text/plain", id="plain text"),
        pytest.param("<meta charset=koi8-r>Störung".encode(), "text/plain", id="plain text knows no meta"),
        pytest.param('{"a": "Störung"}'.encode("utf-16-le"), "application/json", id="JSON in UTF-16"),
        pytest.param('<?xml version="1.0" encoding="ISO-8859-2"?><a>Störung</a>'.encode("latin2"), "application/xml", id="XML"),
        pytest.param("<?xml version='1.0' encoding='l1'?><a>Störung</a>".encode("l1"), "application/rss+xml", id="RSS"),
        pytest.param(page("Störung", "l1"), "text/html; charset=\"ISO-8859-1\"; x=y", id="quoted, and more parameters"),
        pytest.param(page("Störung", "l1"), "text/html; Charset = iso-8859-1", id="spaces in the header"),
        pytest.param(b"Zur\xfcck, St\xc3\xb6rung, Gr\xc3\xb6\xc3\x9fe", HTML, id="UTF-8 with one broken character"),
    ],
)  # fmt: skip
def test_text_is_read_as_a_browser_reads_it(body: bytes, header: str) -> None:
    assert "Störung" in decoded(body, [header] if header else [])


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", "“5 €”"),
        ("ascii", "cp1252", "“5 €”"),
        ("iso-8859-9", "cp1254", "“ş €”"),
        ("gb2312", "gb18030", "鎔€"),
        ("x-gbk", "gb18030", "鎔"),
        ("shift_jis", "cp932", "①髙"),
        ("windows-31j", "cp932", "①"),
        ("x-sjis", "cp932", "①"),
        ("euc-kr", "cp949", "똠"),
        ("ks_c_5601-1987", "cp949", "똠"),
        ("big5", "big5hkscs", "著啫"),
        ("windows-874", "cp874", "ก€"),
        ("tis-620", "cp874", "ก€"),
        ("koi8-u", "koi8-u", "Їж"),
        ("macintosh", "mac-roman", "Äπ"),
        ("iso-2022-jp", "iso2022_jp", "障害"),
        ("euc-jp", "euc_jp", "障害"),
        ("unicode", "utf-16-le", "a障"),
        ("unicodefffe", "utf-16-be", "a障"),
    ],
)
def test_a_label_means_what_it_means_on_the_web(label: str, codec: str, text: str) -> None:
    assert decoded(text.encode(codec), [f"text/html; charset={label}"]) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [("€".encode()[:2], ""), (b"ab\xc3", "ab"), ("\ufeffab".encode("utf-16-le") + b"c", "ab")],
)
def test_a_body_cut_within_a_character_is_no_other_charset(body: bytes, text: str) -> None:
    assert decoded(body, [], truncated=True) == text
    assert decoded("日本".encode("cp932")[:3], ["text/plain; charset=shift_jis"], truncated=True) == "日"


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        (["text/html; charset=koi8-r", "text/html"], "koi8-r"),
        (["text/html; charset=koi8-r, text/html; charset=cp1251"], "cp1251"),
        (["text/plain; charset=koi8-r", "text/html; charset=cp1251"], "cp1251"),
        (["text/html; charset=cp1251; charset=koi8-r"], "cp1251"),
        (["text/html; charset=koi8-r", "*/*"], "koi8-r"),
    ],
)
def test_of_several_headers_the_last_counts(header: list[str], charset: str) -> None:
    assert decoded("Сбой".encode(charset), header) == "Сбой"


def test_one_broken_byte_of_a_named_charset_spoils_that_character_only() -> None:
    assert decoded("障害".encode("euc_jp") + b"\xff!", ["text/html; charset=euc-jp"]) == "障害\ufffd!"
    assert decoded(b"ok\xff \xc3\xb6", ["text/html; charset=utf-8"]) == "ok\ufffd ö"


@pytest.mark.parametrize(
    "piece", [b"<script ", b"<!--", b"<meta ", b'<meta charset="', b"<a =", b"<a ='", b"< ", b"<title>", b"<?xml ", b"</"]
)
def test_a_page_made_to_be_slow_is_not(piece: bytes) -> None:
    started = time.monotonic()
    decoded(b"<html>charset " + piece * (HEAD // len(piece)), ["text/html"])
    decoded(piece * (HEAD // len(piece)) + b"charset", [])
    assert time.monotonic() - started < 5
