"""No probe goes to a metadata address: not as it is configured, however that is written, and not where an answer sends it."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from app import plugins
from app.net.address import is_metadata, literal
from app.net.url import host_name
from tests.net.serve import redirect, says
from tests.probes.hostile import against
from tests.probes.run import Options

FORMS = (
    "{}", "http://{}/", "http://u:p@{}/x?y", "https://{}:8443/", "tcp://{}:2375", "postgresql://u:p@{}/shop", "mysql://u:p@{}/shop",
    "redis://{}/0", "rediss://:p@{}:6380/1", "amqp://u:p@{}//",
)  # fmt: skip
OTHERS = ("no host\n, and no URL", "!", "user@mail.example")  # texts, names of tables, mail addresses
METADATA = (
    "169.254.169.254", "169.254.169.254.", "169.254.170.2", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]", "100.100.100.200", "192.0.0.192",
)  # fmt: skip


def refusal(name: str, field: str, value: str) -> str:
    """What the field says against a value; empty when it takes it."""
    spec = plugins.probe_module(name).measure.spec
    try:
        spec.model_validate({field: value})
    except ValidationError as error:
        return "; ".join(one["msg"] for one in error.errors() if one["loc"] and one["loc"][0] == field)
    return ""


def places() -> Iterator[tuple[str, str, str]]:
    """Every setting of every probe that takes hosts or URLs, found by what it takes and what not; and how they are written."""
    for name in plugins.probe_names():
        for field in plugins.probe_module(name).measure.spec.model_fields:
            forms = [form for form in FORMS if not refusal(name, field, form.format("192.0.2.7"))]
            if forms and all(refusal(name, field, other) for other in OTHERS):
                yield from ((name, field, form) for form in forms)


PLACES = sorted(places())


@pytest.mark.parametrize(("name", "field", "form"), PLACES, ids=str)
def test_a_metadata_address_is_refused_however_it_is_written(name: str, field: str, form: str) -> None:
    told = {address: refusal(name, field, form.format(address)) for address in METADATA}
    assert not [address for address, said in told.items() if not said]
    assert "metadata" in told["169.254.169.254"]
    assert "u:p" not in str(told)


def test_every_setting_called_host_or_url_is_among_them() -> None:
    found = {(name, field) for name, field, _ in PLACES}
    for name in plugins.probe_names():
        for field in plugins.probe_module(name).measure.spec.model_fields:
            assert field not in ("host", "url", "resolver") or (name, field) in found, (name, field)


@pytest.mark.parametrize("to", ["http://169.254.169.254/latest/meta-data/", "http://u:p@2852039166/", "http://[::ffff:a9fe:a9fe]/",
                                "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "dict://127.0.0.1/"])  # fmt: skip
@pytest.mark.parametrize(
    ("name", "with_"),
    [
        ("health.http", {}),
        ("performance.http", {}),
        ("performance.scrape", {"metrics": ["m"]}),
        ("performance.promql", {"query": "up"}),
        ("business.promql", {"query": "up"}),
        ("business.http_json", {"metrics": {"a": "$.a"}}),
        ("security.http_headers", {}),
    ],
    ids=str,
)
def test_an_answer_that_sends_it_there_is_not_followed(name: str, with_: Options, to: str) -> None:
    found = against(says(redirect(to)), name, url="http://127.0.0.1:PORT/", **with_)
    assert found.status == "unknown"
    assert any(word in found.message for word in ("metadata", "disabled", "not an http")), found.message
    assert "u:p" not in found.message


@pytest.mark.parametrize("address", METADATA)
def test_the_guard_knows_every_spelling(address: str) -> None:
    found = literal(address)
    assert found is not None
    assert is_metadata(found)


@pytest.mark.parametrize(
    "host",
    ["a" * 64 + ".example", ".example", "a..b", "a" * 254, "x" * 1_000_000, "bücher.example", "a b", "a\0b", "a\r\nb", "", "."],
    ids=lambda host: repr(host[:12]),
)  # fmt: skip
def test_what_can_be_no_host_is_a_mistake_when_it_is_read(host: str) -> None:
    with pytest.raises(ValueError, match="host") as refused:
        host_name(host)
    assert len(str(refused.value)) < 250
    assert "punycode" in str(refused.value) or host.isascii()


@pytest.mark.parametrize(
    "host", ["xn--bcher-kva.example", "a" * 63 + ".example.", "_dmarc.x", "fe80::1%eth0", "[::1]", "localhost"]
)
def test_what_can_be_one_is_taken(host: str) -> None:
    assert host_name(host) == host.strip("[]")


def test_a_zone_that_is_none_is_critical_in_words() -> None:
    found = against(says(b""), "health.tcp", host="fe80::1%nosuchzone", port="PORT")
    assert found.status == "critical"
    assert "fe80::1%nosuchzone" in found.message
    assert "nknown error" not in found.message
