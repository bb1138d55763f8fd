"""`GET checks/NAME/curve`: what people draw themselves."""

from tests.api.conftest import Api
from tests.web.watching import results


def test_a_curve_has_at_most_300_slices_a_label_set_the_highest_first(api: Api) -> None:
    from app.checks.probe import Series

    results(
        "web",
        400,
        lambda n: {"series": (Series("failed", float(n % 10), {"source": "a"}), Series("failed", 50.0, {"source": "b"}))},
        step=30,
    )
    items = api.get("checks/web/curve?metric=failed")["items"]
    assert [one["labels"] for one in items] == [{"source": "b"}, {"source": "a"}]
    assert all(1 < len(one["slices"]) <= 300 for one in items)
    assert set(items[0]["slices"][0]) == {"at", "low", "mean", "high"}
    slices = items[1]["slices"]
    assert (min(one["low"] for one in slices), max(one["high"] for one in slices)) == (0.0, 9.0)
    assert [one["labels"] for one in api.get("checks/web/curve?metric=failed&limit=1")["items"]] == [{"source": "b"}]
    assert api.get("checks/web/curve?metric=none")["items"] == []


def test_a_curve_of_nothing_is_refused_in_words(api: Api) -> None:
    assert api.get("checks/web/curve", 422)["errors"]
    assert api.get("checks/web/curve?metric=seconds&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 422)["errors"]
    api.get("checks/nope/curve?metric=seconds", 404)
