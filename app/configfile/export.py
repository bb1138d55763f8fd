"""Files of a configuration as people may see them: variables as they were written, secrets that stand there as `***`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.configfile.compose import compose
from app.configfile.secrets import spec_type
from app.configfile.tree import Node, plain
from app.redact import rewritten
from app.secret import STARS

_PARTS = re.compile(r"(\$\$\{|\$\{[^}]*\}|\{\{[^}]*\}\})")
_DEFAULT = re.compile(r"(\$\{\w+:-)[^}]+(\})")
_BEFORE = re.compile(r"(?:[&!]\S*\s+)*")  # an anchor or tag
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Bot|Digest|GenieKey) +", re.IGNORECASE)  # of an Authorization header


def written(files: Mapping[str, str]) -> dict[str, str]:
    """The same files, each secret that is written out in them starred."""
    return {file: _starred(file, text) if file.endswith((".yaml", ".yml")) else text for file, text in files.items()}


def _starred(file: str, text: str) -> str:
    tree, errors = compose(file, text, None)
    if tree is None:
        return f"# {file}: not shown, because it no longer parses\n" if errors else text
    changed = {node.span: value for node, value in _changes(tree) if node.span is not None}
    for (start, end), value in sorted(changed.items(), reverse=True):
        old = text[start:end]
        before = _BEFORE.match(old)
        after = "\n" if old.endswith("\n") else ""  # a block ends with its last line
        text = text[:start] + (before[0] if before else "") + json.dumps(value, ensure_ascii=False) + after + text[end:]
    return text


def _changes(tree: Node) -> Iterator[tuple[Node, str]]:
    for section, kind in (("checks", "check"), ("channels", "channel")):
        things = tree.at(section).value if tree.child(section) else None
        for thing in things.values() if isinstance(things, dict) else ():
            own = thing.child("with") if kind == "check" else thing
            if own is not None and isinstance(thing.value, dict):
                type_ = spec_type(kind, {key: one.value for key, one in thing.value.items()})
                yield from _differing(own, rewritten(plain(own), masked, type_))


def _differing(node: Node, value: Any) -> Iterator[tuple[Node, str]]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _differing(child, value[key])
    elif isinstance(node.value, list):
        for child, one in zip(node.value, value, strict=True):
            yield from _differing(child, one)
    elif isinstance(value, str) and value != node.value:
        yield node, value


def masked(secret: str) -> str:
    """A secret as it was written: its variables stay, all that is written out in it is starred, a default as well."""
    if re.fullmatch(r"[^:$]*:\$\{\w+\}", secret):  # a name and a password of a URL
        return secret
    scheme = _SCHEME.match(secret)
    begin = scheme.end() if scheme else 0
    found = ""
    for part in _PARTS.split(secret[begin:]):
        variable = _PARTS.fullmatch(part) and part != "$${"
        found += _DEFAULT.sub(rf"\g<1>{STARS}\g<2>", part) if variable else STARS if part.strip(" :") else part
    return secret[:begin] + re.sub(r"(?:\*\*\*){2,}", STARS, found)
