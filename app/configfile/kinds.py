"""Which type a thing is parsed into: that of its probe, channel kind or rule kind, or the planned form."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

from app import plugins
from app.checks import probes
from app.configfile.codes import Code
from app.configfile.finding import nearest
from app.configfile.sections import CHANNEL_KINDS_PLANNED, Section
from app.configfile.tree import Node, Path
from app.errors import Invalid
from app.reason import Reason

CHANNELS = "app.notify.channels"
INBOX = "inbox"  # the channel that is built in and never declared


@dataclass(frozen=True, slots=True)
class Form:
    """How to parse one thing. `type_` None: its kind is not known, so nothing more can be said of it.

    options: the type of its own fields, which stand under `options_at`, or beside `kind` when that is empty.
    planned: the kind that is not built yet, if it is one. wrong: what is wrong already.
    """

    type_: type[BaseModel] | None
    options: "type[BaseModel] | None" = None
    options_at: Path = ()
    planned: str | None = None
    wrong: tuple[tuple[Path, Reason], ...] = ()


def form_of(section: Section, node: Node, subject: str) -> Form:
    """The form of one thing of `section`, which people call `subject`."""
    if section.kind == "check":
        return _check(section, node, subject)
    if section.kind == "channel":
        return _channel(section, node, subject)
    if section.kind == "rule":
        return _rule(node, subject)
    return Form(section.type)


def _check(section: Section, node: Node, subject: str) -> Form:
    name = _word(node, "probe")
    if name is None:
        return Form(section.type)
    if plugins.is_probe(name):
        return _loaded(section, name, subject)
    return Form(section.type, wrong=(_unknown("probe", name, subject, plugins.probe_names()),))


def _loaded(section: Section, name: str, subject: str) -> Form:
    try:
        return Form(section.type, options=probe_spec(name), options_at=("with",))
    except Invalid as error:
        why = Reason(Code.PROBE_BROKEN, {"subject": subject, "probe": name, "why": str(error)})
        return Form(section.type, wrong=((("probe",), why),))


def _channel(section: Section, node: Node, subject: str) -> Form:
    kind = _word(node, "kind")
    if kind is None:
        return Form(section.type)
    if kind in channel_kinds():
        return Form(section.type, options=channel_spec(kind))
    if kind in CHANNEL_KINDS_PLANNED:
        return Form(section.type, planned=kind)
    return Form(None, wrong=(_unknown("kind", kind, subject, [*channel_kinds(), *CHANNEL_KINDS_PLANNED]),))


def _rule(node: Node, subject: str) -> Form:
    kind = _word(node, "kind")
    if kind is None:
        return Form(None, wrong=(((), Reason(Code.MISSING, {"subject": subject, "field": "kind", "known": rule_kinds()})),))
    if kind in rule_kinds():
        return Form(rule_spec(kind))
    return Form(None, wrong=(_unknown("kind", kind, subject, rule_kinds()),))


def _unknown(key: str, word: str, subject: str, known: Collection[str]) -> tuple[Path, Reason]:
    return (key,), Reason(Code.UNKNOWN_WORD, {"subject": subject, "field": key, "word": word, "near": nearest(word, known)})


def _word(node: Node, key: str) -> str | None:
    child = node.child(key)
    return child.value if child is not None and isinstance(child.value, str) else None


def channel_kinds() -> list[str]:
    """The kinds of channel that can be declared."""
    return [name for name in plugins.names(CHANNELS) if name != INBOX]


def rule_kinds() -> list[str]:
    """The kinds of rule that are built."""
    return plugins.names(plugins.RULE_KINDS)


def probe_spec(name: str) -> type[BaseModel]:
    """What `with:` of this probe holds. Raises Invalid when its module cannot be used."""
    return probes.found(name).spec


@cache
def channel_spec(kind: str) -> type[BaseModel]:
    """The fields beside `kind` of a channel."""
    return _model(plugins.module(CHANNELS, kind).Spec, f"channel {kind}")


@cache
def rule_spec(kind: str) -> type[BaseModel]:
    """All fields of a rule of this kind."""
    return _model(plugins.module(plugins.RULE_KINDS, kind).Spec, f"rule {kind}")


def _model(found: object, what: str) -> type[BaseModel]:
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise TypeError(f"{what}: its spec must be a pydantic model")
    return found
