"""The operator's policy of where Tocsin may connect: `TOCSIN_HOME/network-policy.yaml`, optional, read again when it changes.

    allow: [10.1.0.0/16]             # first: an address in here may be connected to
    deny: [10.0.0.0/8, "::1/128"]    # then: one in here may not; every other may

`deny: ["0.0.0.0/0", "::/0"]` turns `allow` into the complete list. A file, not a form: whoever may edit a check in the
console shall not widen it. Metadata addresses stay closed whatever it says. An unreadable policy closes everything.
"""

import math
import os
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app.settings import settings
from app.validation import named

FILE = "network-policy.yaml"


class Lists(BaseModel):
    """The file as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    deny: tuple[IPv4Network | IPv6Network, ...] = ()


NO_LISTS = Lists()


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What the file means."""

    lists: Lists = NO_LISTS
    broken: str = ""  # what is wrong with the file; then nothing may be connected to

    def refusal(self, ip: IPv4Address | IPv6Address) -> str | None:
        """Why the operator forbids this address; None when they do not."""
        if self.broken:
            return f"{ip} is blocked until the network policy can be read: {self.broken}"
        if any(ip in network for network in self.lists.allow):
            return None
        for network in self.lists.deny:
            if ip in network:
                return f"{ip} is denied by the network policy: {network} in {FILE}"
        return None


ALLOW_ALL = Policy()
RECHECK_INTERVAL = 1.0  # seconds; a stat of the file costs as much as the rest of the guard


class PolicyFile:
    """The policy file of a home, read again when it changed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.checked_at = -math.inf
        self.version: object = None
        self.policy = ALLOW_ALL

    def current(self, now: float) -> Policy:
        """The policy in force at monotonic time `now`, at most a second old."""
        if now - self.checked_at >= RECHECK_INTERVAL:
            self.checked_at, path = now, self.home / FILE
            version = _version(path)
            if version != self.version:
                self.version, self.policy = version, load(path) if version else ALLOW_ALL
        return self.policy


_policy_file = PolicyFile(Path())


def current() -> Policy:
    """The policy in force in this process."""
    global _policy_file
    home = settings().home
    if _policy_file.home is not home:
        _policy_file = PolicyFile(home)
    return _policy_file.current(time.monotonic())


def _version(path: Path) -> object:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_size, found.st_mtime_ns


def load(path: Path) -> Policy:
    """The policy of a file; a broken one closes everything and says why."""
    try:
        lists = Lists.model_validate(YAML(typ="safe", pure=True).load(path) or {})
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        return Policy(broken=f"{path}: {' '.join(str(error).split())}")
    except ValidationError as error:
        first = error.errors()[0]
        return Policy(broken=f"{path}: {named(first)}")
    return Policy(lists)
