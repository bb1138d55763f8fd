"""What keeps a page from being used by everybody: axe-core's findings, and what axe-core does not look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOURS = ("color-contrast", "link-in-text-block")  # all that a theme changes


def bring_axe(context: "BrowserContext") -> None:
    """Lay axe-core into every page of a context; no page of ours would let a script of another place in."""
    context.add_init_script(path=AXE)


def findings(page: "Page", *, colours_only: bool = False) -> list[str]:
    """What axe-core finds on a page as it stands, each with its rule and the element."""
    only: dict[str, Any] = {"type": "rule", "values": COLOURS} if colours_only else {"type": "tag", "values": TAGS}
    options = {"runOnly": only, "resultTypes": ["violations"], "preload": False, "iframes": False}
    if not colours_only:
        options["rules"] = {"target-size": {"enabled": True}}
    found: list[str] = page.evaluate(
        """async (options) => (await axe.run(document, options)).violations.flatMap((rule) => rule.nodes.map((node) =>
            `${rule.id}: ${node.html.slice(0, 240)} ${(node.any[0] || node.all[0] || node.none[0] || {}).message || ""}`))""",
        options,
    )
    return found


def beside_the_screen(page: "Page") -> list[str]:
    """What is cut off at a side, or makes the page pan, and is in nothing that scrolls by itself."""
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth, pans = document.documentElement.scrollWidth;
          const scrolls = (one) => one && (getComputedStyle(one).overflowX !== "visible" || scrolls(one.parentElement));
          return [...document.body.querySelectorAll("*:not(option)")].filter((one) => {
            const box = one.getBoundingClientRect();
            return box.width && box.height && (box.right > width + 1 || box.left < -1) && one.checkVisibility()
              && !one.closest(".sr, .skip") && !scrolls(one.parentElement);
          }).map((one) => one.outerHTML.slice(0, 200)).concat(pans > width ? [`the page is ${pans} wide`] : []);
        }"""
    )
    return found


def same_names(page: "Page") -> list[str]:
    """Names that several buttons of a page share, though they do different things."""
    found: list[str] = page.evaluate(
        """() => {
          const names = [...document.querySelectorAll("button, .button, summary")].filter((one) => one.checkVisibility())
            .map((one) => (one.getAttribute("aria-label") || one.textContent).replace(/\\s+/g, " ").trim());
          return names.filter((name, place) => names.indexOf(name) !== place);
        }"""
    )
    return [f'another button "{name}"' for name in found]


def without_ring(page: "Page") -> list[str]:
    """What shows nothing when the keyboard reaches it."""
    page.keyboard.press("Tab")  # from here on the browser shows where the focus is
    found: list[str] = page.evaluate(
        """() => {
          const look = (one) => {
            const { outline, outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
            return (outlineStyle === "none" || outlineWidth === "0px" ? "" : outline) + boxShadow;
          };
          const shown = (one) => [one, one.closest("[data-row]")].filter(Boolean).map(look).join();
          const reached = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
          return [...document.querySelectorAll(reached)].filter((one) => {
            if (!one.checkVisibility()) return false;
            document.activeElement.blur();
            const before = shown(one);
            one.focus({ preventScroll: true });
            return document.activeElement === one && shown(one) === before;
          }).map((one) => one.outerHTML.slice(0, 200));
        }"""
    )
    return found


def small_targets(page: "Page") -> list[str]:
    """Buttons and fields that a thumb would miss."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, input:not([type=hidden]):not([type=checkbox]), select")]
            .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 39.5).map((one) => one.outerHTML)"""
    )
    return found
