"""What a YAML file says, every value with the line it stands on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]  # of keys and indexes
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line: of the key when it stands in a map, else of its first character.

    text: an unquoted scalar as written, None for all else. span: where a scalar begins and ends in the file, in characters.
    """

    value: "Scalar | list[Node] | dict[str, Node]"
    line: int
    text: str | None = None
    span: tuple[int, int] | None = None

    def child(self, step: str | int) -> "Node | None":
        """The value under a key or index, None where there is none."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def at(self, *path: str | int) -> "Node":
        """The value at `path`, or as near to it as there is one."""
        node = self
        for step in path:
            node = node.child(step) or node
        return node


def plain(node: Node) -> Any:
    """The value as Python has it."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def strings(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every string below `node` with its path."""
    if isinstance(node.value, str):
        yield path, node
    elif isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from strings(child, (*path, key))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from strings(child, (*path, index))


def written(path: Sequence[str | int]) -> str:
    """A path as people write it: `steps[0].wait`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
