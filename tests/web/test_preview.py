"""Who would be paged, as a page."""

from tests.web.conftest import Site


def test_the_page_says_who_is_paged_over_what_and_for_which_reason(ada: Site) -> None:
    page = ada.get("/preview", params={"service": "shop", "severity": "critical", "at": "2026-11-23T10:00"})
    assert '<dt>Route</dt><dd><a href="/routes#route-1">1</a></dd>' in page
    assert '<dt>Policy</dt><dd><a href="/policies#shop">shop</a></dd><dt>Urgency</dt><dd>high</dd>' in page
    assert page.count('class="soft">step 2<') == 1
    assert "escalation policy exhausted" in page


def test_the_slider_moves_the_alert_into_the_next_shift(ada: Site) -> None:
    asked = {"service": "shop", "at": "2026-11-23T08:30"}  # a Monday; the hand-over is at nine
    before, after = (ada.get("/preview", params={**asked, "hours": hours}) for hours in (0, 1))
    first = [page.partition('id="step-1"')[2].partition("</ul>")[0] for page in (before, after)]
    assert ["<b>bo</b>" in one for one in first] == [True, False]
    assert ["<b>you</b>" in one for one in first] == [False, True]


def test_a_mistyped_label_keeps_what_was_typed_and_says_what_is_wrong(ada: Site) -> None:
    page = ada.get("/preview", params={"labels": "region!=eu"})
    assert "labels: labels are name=value" in page
    assert 'value="region!=eu"' in page


def test_a_viewer_may_look(ada: Site) -> None:
    assert "Who would be paged?" in ada.as_("vi").get("/preview")
