"""Things that depend on each other in a circle. Pure."""

from collections.abc import Collection, Mapping


def circle(start: str, depends: Mapping[str, Collection[str]], done: set[str]) -> list[str]:
    """The shortest way from `start` back to itself, avoiding what is `done`; empty when there is none."""
    ways, seen = [[start]], {start}
    while ways and start not in done:
        way = ways.pop(0)
        for after in depends.get(way[-1], ()):
            if after == start:
                return [*way, start]
            if after not in seen and after not in done:
                seen.add(after)
                ways.append([*way, after])
    return []
