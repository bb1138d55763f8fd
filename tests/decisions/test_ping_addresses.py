"""The addresses of pings, read as Healthchecks reads them."""

import pytest

from app.signals.sources.healthchecks import Address, Refused, parse

A, B = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    "path, found",
    [
        (A, Address("success", uuid=A)),
        (A.upper(), Address("success", uuid=A.upper())),
        (f"{A}/", Address("success", uuid=A)),
        (f"{A}/start", Address("start", uuid=A)),
        (f"{A}/fail/", Address("fail", uuid=A)),
        (f"{A}/log", Address("log", uuid=A)),
        (f"{A}/0", Address("success", uuid=A, exit_status=0)),
        (f"{A}/255", Address("fail", uuid=A, exit_status=255)),
        (f"{A}/256", Refused(400, "invalid url format")),
        (f"{A}/{'9' * 5000}", Refused(400, "invalid url format")),
        (f"{A}/-1", Address("success", key=A, slug="-1")),
        (f"{A}/START", Refused(400, "invalid url format")),
        (f"{KEY}/nightly-backup", Address("success", key=KEY, slug="nightly-backup")),
        (f"{KEY}/nightly-backup/3", Address("fail", key=KEY, slug="nightly-backup", exit_status=3)),
        (f"{KEY}/Nightly", Refused(400, "invalid url format")),
        (f"{KEY}/nightly/stop", Refused(404, "not found")),
        (A.replace("-", ""), Refused(404, "not found")),
        ("", Refused(404, "not found")),
        (f"{A}/٣", Refused(404, "not found")),
        ("a/b/c/d", Refused(404, "not found")),
    ],
)
def test_an_address_is_read_as_healthchecks_reads_it(path: str, found: object) -> None:
    assert parse(path) == found


def test_a_run_id_is_a_uuid_with_dashes() -> None:
    assert parse(A, rid=B.upper()) == Address("success", uuid=A, rid=B)
    for wrong in ("", "7", B.replace("-", ""), f"{{{B}}}"):
        assert parse(A, rid=wrong) == Refused(400, "invalid uuid format")
    assert parse(f"{KEY}/x", create="1") == Address("success", key=KEY, slug="x", create=True)
    assert parse(f"{KEY}/x", create="yes") == Address("success", key=KEY, slug="x")
