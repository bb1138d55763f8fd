"""Runbooks as HTML: Markdown, then an allow-list of tags and web links, whatever a file contains. Pure."""

import re
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "hr", "li", "ol", "p", "pre", "s", "strong", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_TITLE = re.compile(r"\A\s*#{1,6}[ \t]+.*\n?")
_BOX = re.compile(r"<li>\s*(<p>)?\s*\[([ xX])\]\s+(?=([^<\n]*))")


@lru_cache(maxsize=128)
def html(text: str) -> Markup:
    """The cleaned HTML without its title, which the page gives; `- [ ]` becomes a box to tick, kept by this browser only."""
    made = _parser().render(_TITLE.sub("", text))
    made = made.replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    clean = nh3.clean(made, tags=TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"}, link_rel="noopener")
    boxed = _BOX.sub(lambda found: f"<li class=task>{found[1] or ''}{_box(found[3], found[2] != ' ')}", clean)
    return Markup(boxed)  # noqa: S704 - cleaned above


def _box(step: str, ticked: bool) -> str:
    name = step.strip().replace('"', "&quot;") or "done"
    return f'<input type=checkbox aria-label="{name}"{" checked" if ticked else ""}> '


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
