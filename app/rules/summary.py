"""Renders a summary's template: Jinja2's sandbox, and of its language only what can neither run long nor grow large. Pure.

    Checkout p95 is {{ value | round(2) }} s on {{ labels.host | default("all hosts") }}

A template may name `value`, `check`, `rule`, `because` and `labels`, use numbers, texts, comparisons, `if`, and the filters
below. It has no loops, calls, macros or attributes but those of `labels`. One that is broken gives the plain text: the page
goes out. A sandbox alone does not do: `'a' * 300000000` and nested loops are legal there.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

from jinja2 import Template, TemplateSyntaxError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.signals.model import SUMMARY_LIMIT
from app.units import binary, measured

LONGEST = 4096  # characters of a template
DEEPEST = 40  # nodes inside each other
ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Filter,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.If, nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.Div, nodes.Neg, nodes.Concat,
)  # fmt: skip
TOO_DEEP = "the template is nested too deeply"
NAMES = ("value", "check", "rule", "because", "labels")
NUMERIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div)


class _Unknown(Undefined):
    """A name that is not known stays as it was written, so that it is seen."""

    def __str__(self) -> str:
        return f"{{{{ {self._undefined_name} }}}}"


def check(template: str, names: Collection[str] = NAMES) -> None:
    """Raises ValueError that says what is wrong with a template that may name these."""
    try:
        _compiled(template)
        _look_up(_ENVIRONMENT.parse(template), names)
    except TemplateSyntaxError as error:
        raise ValueError(f"invalid template: {error.message}") from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _look_up(parsed: nodes.Template, names: Collection[str]) -> None:
    """Raises ValueError for what could only give nonsense."""
    for name in parsed.find_all(nodes.Name):
        if name.name not in names:
            raise ValueError(f'unknown name "{name.name}"; use one of {", ".join(names)}')
    parts: list[nodes.Getattr | nodes.Getitem] = [*parsed.find_all(nodes.Getattr), *parsed.find_all(nodes.Getitem)]
    for part in parts:
        if not isinstance(part.node, nodes.Name) or part.node.name != "labels":
            raise ValueError("only labels have parts, as in labels.host")
    for both in parsed.find_all(NUMERIC):
        if any(isinstance(side, nodes.Const) and isinstance(side.value, str) for side in (both.left, both.right)):
            raise ValueError("arithmetic needs numbers")


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary, and whether it says why."""

    text: str
    says_why: bool


def render(template: str, facts: Mapping[str, str | float | None], labels: Mapping[str, str], plain: str = "") -> Summary:
    """The text with every name filled in, at most SUMMARY_LIMIT characters.

    plain: what stands for a template that is broken or says nothing; it says why.
    """
    text = _rendered(template, facts, labels)
    return Summary(_cut(plain or template), bool(plain)) if text is None else Summary(_cut(text), _says_why(template))


def _says_why(template: str) -> bool:
    return any(one.name == "because" for one in _ENVIRONMENT.parse(template).find_all(nodes.Name))


def _rendered(template: str, facts: Mapping[str, str | float | None], labels: Mapping[str, str]) -> str | None:
    """What the template says; None when it is broken or says nothing."""
    try:
        text = _compiled(template).render({**facts, "labels": _Labels(labels)})
    except Exception:  # noqa: BLE001 - whatever a template can do, the page goes out
        return None
    return text if text.strip() else None


def _cut(text: str) -> str:
    return text if len(text) <= SUMMARY_LIMIT else text[: SUMMARY_LIMIT - 1] + "…"


class _Labels(dict[str, str]):
    """Labels by name; one that is missing is empty, as everywhere."""

    def __missing__(self, _: str) -> str:
        return ""


def _shown(value: object) -> object:
    """How a value stands in the text."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return "?"
    return f"{value:.6g}" if isinstance(value, float) else value


class _Environment(ImmutableSandboxedEnvironment):
    """Attributes are those of labels only, and arithmetic needs numbers only: a text cannot be multiplied."""

    intercepted_binops = frozenset(["+", "-", "*", "/"])

    def getattr(self, obj: Any, attribute: str) -> Any:
        if not isinstance(obj, _Labels):
            raise TypeError(f"only labels have parts, such as {attribute}")
        return obj[attribute]

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self.getattr(obj, str(argument))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(one, int | float) for one in (left, right)):
            raise TypeError("arithmetic needs numbers")
        found = super().call_binop(context, operator, float(left), float(right))
        if not isfinite(found):
            raise OverflowError("number too large")
        return found


def _of_number(what: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that changes numbers and leaves everything else."""
    return lambda value, *args: what(float(value), *args) if isinstance(value, int | float) and isfinite(value) else value


def _percent(share: float, digits: int = 0) -> str:
    """0.123 -> 12 %."""
    return f"{share * 100:.{min(max(int(digits), 0), 12)}f} %" if isfinite(share * 100) else "?"


FILTERS: dict[str, Callable[..., Any]] = {
    "round": _of_number(lambda value, digits=0: f"{value:.{min(max(int(digits), 0), 12)}f}"),
    "percent": _of_number(_percent),
    "abs": _of_number(abs),
    "int": _of_number(int),
    "duration": _of_number(measured),
    "bytes": _of_number(binary),
    "upper": lambda text: str(text).upper(),
    "lower": lambda text: str(text).lower(),
    "default": lambda value, other="": other if value in (None, "") or isinstance(value, Undefined) else value,
    "truncate": lambda text, length=80: str(text)[: min(max(int(length), 0), SUMMARY_LIMIT)],
}


def _environment() -> ImmutableSandboxedEnvironment:
    environment = _Environment(undefined=_Unknown, finalize=_shown, autoescape=False, cache_size=0, optimized=False)
    environment.filters = FILTERS
    environment.globals = {}
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Template:
    if len(template) > LONGEST:
        raise ValueError(f"a template may have at most {LONGEST} characters")
    parsed = _ENVIRONMENT.parse(template)
    _refuse(parsed, 0)
    return _ENVIRONMENT.from_string(parsed)


def _refuse(node: nodes.Node, depth: int) -> None:
    """Raises ValueError for what a summary may not hold."""
    if depth > DEEPEST:
        raise ValueError(TOO_DEEP)
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not isfinite(node.value):
        raise ValueError("a number in the template is too large")
    if not isinstance(node, ALLOWED):
        raise ValueError(f"a summary cannot contain {type(node).__name__.lower()}; use values, filters and if")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise ValueError(f'unknown filter "{node.name}"; use one of {", ".join(sorted(FILTERS))}')
    for child in node.iter_child_nodes():
        _refuse(child, depth + 1)
