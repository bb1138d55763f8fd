"""A check that somebody wants to try, read as a file's would be: the same words for the same errors. Pure."""

from collections.abc import Mapping
from typing import Any, cast

from app import plugins
from app.checks.model import Check
from app.configfile.codes import Code
from app.configfile.finding import hint
from app.configfile.kinds import form_of
from app.configfile.sections import SECTIONS
from app.configfile.thing import parsed
from app.configfile.tree import Node, Path
from app.configfile.wording import text
from app.errors import Fault, NotFound
from app.reason import Reason


def trial(given: Mapping[str, Any], called: str) -> tuple[Check | None, list[Fault]]:
    """The check that `given` (its YAML form) is, None when anything is wrong with it, and what is, by field: `with.port`.

    called: what people call it in a sentence. Raises NotFound when there is no such probe.
    """
    probe = str(given.get("probe", ""))
    if probe not in plugins.probe_names():
        raise NotFound(f'probe "{probe}" not found{hint(probe, plugins.probe_names())}')
    node = _node(given)
    check, wrong = parsed(form_of(SECTIONS["checks"], node, called), node, called)
    return cast("Check | None", check), [_fault(path, reason) for path, reason in wrong]


def _fault(path: Path, reason: Reason) -> Fault:
    """What a file lacks has no place in it; a form has a field for it."""
    place = (*path, reason.facts["field"]) if reason.code == Code.MISSING else path
    return Fault(".".join(map(str, place)), text(reason, path))


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        return Node({str(key): _node(one) for key, one in value.items()}, 0)
    if isinstance(value, list | tuple):
        return Node([_node(one) for one in value], 0)
    if value is None or isinstance(value, str):
        return Node(value, 0)
    word = str(value).lower() if isinstance(value, bool) else str(value)
    return Node(value if isinstance(value, bool | int | float) else word, 0, word)
