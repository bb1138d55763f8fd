"""The kinds of probe templates."""

from enum import StrEnum


class Kind(StrEnum):
    """What the probe looks at."""

    NETWORK = "network"
    PROGRAM = "program"
    FILE = "file"
