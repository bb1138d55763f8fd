"""Fills a summary's `{{ value }}`, `{{ check }}`, `{{ labels.host }}`: names only, so no template can hang or leak. Pure."""

import re
from collections.abc import Mapping

LIMIT = 1024  # characters
_HOLE = re.compile(r"\{\{\s*([a-z_]+)(?:\.([\w.-]+))?\s*\}\}")


def render(template: str, facts: Mapping[str, str | float | None], labels: Mapping[str, str]) -> str:
    """The text with every known name filled in; an unknown one stays as it was written, so that it is seen."""

    def fill(hole: re.Match[str]) -> str:
        name, part = hole.group(1), hole.group(2)
        if name == "labels" and part:
            return labels.get(part, "")
        if part or name not in facts:
            return hole.group(0)
        value = facts[name]
        return "?" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

    text = _HOLE.sub(fill, template)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"
