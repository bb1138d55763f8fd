"""Mail addresses: what is one, and how it travels."""

import pytest

from app.net.mailbox import mailbox, named, several

ADDRESSES = {
    "ada@example.com": "ada@example.com",
    "a.d+a@sub.example.com": "a.d+a@sub.example.com",
    "o'brien@example.com": "o'brien@example.com",
    '"a b"@example.com': '"a b"@example.com',
    "ada@[192.0.2.1]": "ada@[192.0.2.1]",
    "root@localhost": "root@localhost",
    "ada@Example.COM": "ada@Example.COM",
    "ada@bücher.example": "ada@xn--bcher-kva.example",
    "ada@BÜCHER.example": "ada@xn--bcher-kva.example",
    "ada@bu\u0308cher.example": "ada@xn--bcher-kva.example",
    "ada@straße.example": "ada@xn--strae-oqa.example",  # IDNA 2003 would say strasse, somebody else's domain
    "ada@例え.テスト": "ada@xn--r8jz45g.xn--zckzah",
    "ada@例え。テスト": "ada@xn--r8jz45g.xn--zckzah",
    "ada@xn--bcher-kva.example": "ada@xn--bcher-kva.example",
    "jörg@bücher.example": "jörg@xn--bcher-kva.example",
}


@pytest.mark.parametrize("text,travels", ADDRESSES.items())
def test_how_an_address_travels(text: str, travels: str) -> None:
    found = mailbox(text)
    assert found.address == travels
    assert found.international is (not travels.isascii())


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "ada@", "@example.com", "a@b@example.com", "ada@example.com, bo@example.com", "<ada@example.com>",
        "ada@example.com\r\nBcc: eve@example.com", "ada@exam\u202eple.com", "ada@\x1b[2Jexample.com", "a b@example.com",
        "ada@-ü.example", "ada@ü..example", "ada@ü b.example", f"ada@{'ü' * 70}.example", "ada@\u2763.example",
        f"{'a' * 65}@example.com", f"ada@{'a' * 260}.example", "ada@" + "a" * 9000, "é" * 40 + "@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is not a mail address") as wrong:
        mailbox(text)
    assert len(str(wrong.value)) < 500


@pytest.mark.parametrize("text", ["ada@-ü.example", "ada@ü_b.example"])
def test_a_domain_that_cannot_be_written_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"'.*ü.*' is not a domain \("):
        mailbox(text)


NAMED = {
    "ada@example.com": ("", "ada@example.com"),
    "Ada <ada@example.com>": ("Ada", "ada@example.com"),
    "Ada Lovelace<ada@example.com>": ("Ada Lovelace", "ada@example.com"),
    '"Ops, \\"on call\\"" <ops@example.com>': ('Ops, "on call"', "ops@example.com"),
    "Wächter → <w@bücher.example>": ("Wächter →", "w@xn--bcher-kva.example"),
    "<ada@example.com>": ("", "ada@example.com"),
}


@pytest.mark.parametrize("text,found", NAMED.items())
def test_a_name_may_stand_before_the_address(text: str, found: tuple[str, str]) -> None:
    assert (named(text).name, named(text).address) == found


@pytest.mark.parametrize(
    "text", ["Ada <ada>", "Ada <ada@example.com> x", "A\r\nBcc: x <ada@example.com>", "\u202eA <a@b.example>"]
)
def test_a_name_hides_nothing(text: str) -> None:
    with pytest.raises(ValueError):
        named(text)


SEVERAL = {
    "ada@example.com": ["ada@example.com"],
    "ada@example.com, Bo <bo@example.com>,": ["ada@example.com", "bo@example.com"],
    '"Ops, all" <ops@example.com>,ada@example.com': ["ops@example.com", "ada@example.com"],
    "a@bücher.example, a@xn--bcher-kva.example": ["a@xn--bcher-kva.example"],
}


@pytest.mark.parametrize("text,found", SEVERAL.items())
def test_several_are_separated_by_commas_and_each_counts_once(text: str, found: list[str]) -> None:
    assert [one.address for one in several(text)] == found


@pytest.mark.parametrize("text", ["", " , ", "ada@example.com, nobody", "ada@example.com bo@example.com"])
def test_one_wrong_of_several_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="not a mail address"):
        several(text)
