"""Servers and tools of the system that some tests need: Debian packages that `.ci/run` installs and a newcomer may lack."""

import shutil
from pathlib import Path

import pytest

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/nagios/plugins"


def program(name: str, package: str) -> Path:
    """Where program `name` of Debian's `package` is; without it the test is skipped, aloud (in CI: fails)."""
    found = shutil.which(name, path=SYSTEM)
    if found is None:
        pytest.skip(f"install {package} to run this")
    return Path(found)
