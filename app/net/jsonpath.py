"""JSONPath (RFC 9535) over untrusted answers: strict grammar, RE2 for patterns, an end after so many steps.

A path alone cannot be judged: `$..*..*` over a small document is nothing, over a large one it never ends. So every node
visited and every filter judged costs a step, and the path's own bookkeeping (where each node lies) is left out: with long
keys it takes more memory than the document.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any

import orjson
import re2
from jsonpath import JSONPath, JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.filter import BaseExpression, StringLiteral
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.match import JSONPathMatch
from jsonpath.parse import Parser
from jsonpath.segments import JSONPathChildSegment, JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.stream import TokenStream
from jsonpath.token import Token
from pydantic import AfterValidator

from app.net.pattern import QUIET, error_text

__all__ = ["JsonPath", "TooMuch", "check", "parsed", "select"]

LONGEST = 1000  # characters of a path, and of a pattern that comes from the document
MOST_STEPS = 200_000  # about a quarter of a second
SECONDS = 1.0  # for single steps that are long: comparing two large arrays


class TooMuch(ValueError):
    """The path visits more of the document than it may."""


def select(path: str, document: object) -> list[Any]:
    """The values of the nodes that a sound path selects, in order. Raises TooMuch when there is no end in sight."""
    compiled = _compiled(path)
    if not compiled.segments:
        return [document]
    if not isinstance(document, dict | list):  # the library would take a text for a document to be read
        return []
    _budget.steps, _budget.until = MOST_STEPS, time.monotonic() + SECONDS
    try:
        return [node.obj for node in compiled.finditer(document)]
    except RecursionError:
        raise TooMuch("the document is nested more than 100 levels deep") from None


def parsed(text: str) -> Any:
    """The document that a text is, by RFC 8259. Raises ValueError that says what is wrong and where."""
    return orjson.loads(text.removeprefix("\ufeff"))


def check(path: str) -> str:
    """The path, when it is one. Raises ValueError that says what is wrong."""
    if len(path) > LONGEST:
        raise ValueError(f"a JSONPath longer than {LONGEST} characters")
    try:
        _compiled(path)
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"{path!r} is not a JSONPath (RFC 9535): {str(error).partition(chr(10))[0]}") from None
    return path


JsonPath = Annotated[str, AfterValidator(check)]


class _Budget(threading.local):
    """What the selection that runs in this thread may still spend."""

    steps = 0
    until = 0.0

    def count_step(self) -> None:
        self.steps -= 1
        if self.steps < 0 or time.monotonic() > self.until:
            raise TooMuch("the path matches too much of the document; narrow it")


_budget = _Budget()


class _Node(JSONPathMatch):
    """A node that knows its value and the document, and costs a step."""

    def new_child(self, obj: object, key: int | str) -> JSONPathMatch:  # noqa: ARG002
        _budget.count_step()
        return _Node(filter_context=self._filter_context, obj=obj, parent=None, path="", parts=(), root=self.root)

    def add_child(self, *children: JSONPathMatch) -> None:
        """Nobody asks for them."""


def _counted(nodes: Iterable[JSONPathMatch]) -> Iterator[JSONPathMatch]:
    for node in nodes:
        _budget.count_step()
        if isinstance(node, _Node):
            yield node
        else:  # where a path begins
            yield _Node(filter_context={}, obj=node.obj, parent=None, path="", parts=(), root=node.root)


class _Child(JSONPathChildSegment):
    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterable[JSONPathMatch]:
        return super().resolve(_counted(nodes))


class _Descendant(JSONPathRecursiveDescentSegment):
    def resolve(self, nodes: Iterable[JSONPathMatch]) -> Iterable[JSONPathMatch]:
        return super().resolve(_counted(nodes))


class _Parser(Parser):
    def parse_query(self, stream: TokenStream) -> Iterable[JSONPathSegment]:
        for segment in super().parse_query(stream):
            kind = _Descendant if isinstance(segment, JSONPathRecursiveDescentSegment) else _Child
            yield kind(env=segment.env, token=segment.token, selectors=segment.selectors)


class _Pattern(FilterFunction):
    """match() and search(): does the whole text match, or some of it?"""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  # as the library declares them
    return_type = ExpressionType.LOGICAL

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str) or len(pattern) > LONGEST:
            return False
        try:
            compiled = re2.compile(pattern, QUIET)
        except re2.error:
            return False  # RFC 9535 2.4.6: a pattern from the document that is none matches nothing
        return bool(compiled.fullmatch(value) if self._whole else compiled.search(value))


class _Environment(JSONPathEnvironment):
    parser_class = _Parser

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _Pattern(whole=True)
        self.function_extensions["search"] = _Pattern(whole=False)

    def check_well_typedness(self, token: Token, func: FilterFunction, args: list[BaseExpression]) -> None:
        super().check_well_typedness(token, func, args)
        if isinstance(func, _Pattern) and isinstance(args[1], StringLiteral):
            try:
                re2.compile(args[1].value, QUIET)
            except re2.error as error:
                raise ValueError(f"{args[1].value!r} is not an RE2 pattern: {error_text(error)}") from None

    def is_truthy(self, obj: object) -> bool:
        _budget.count_step()
        return super().is_truthy(obj)


_environment = _Environment(strict=True)


@lru_cache(maxsize=1024)
def _compiled(path: str) -> JSONPath:
    compiled = _environment.compile(path)
    if not isinstance(compiled, JSONPath):
        raise ValueError("write one path: unions and intersections are not JSONPath")
    return compiled
