"""What a home remembers between two starts: the settings of its stack, whether that runs, and which database it has had.

HOME/run/settings.json belongs to the stack that runs; HOME/settings.json is kept from the last start that got as far as its
database; HOME/database.json says that there was one with data in it. All are JSON, mode 0600. The keeper imports this
module, so it knows the standard library and nothing else.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.errors import Unusable

MARK = "TOCSIN_STACK"  # in the environment of every process of a stack; its value is the stack's socket folder


@dataclass(frozen=True, slots=True)
class Kept:
    """Variables by name: those that were given, and those that were not but follow from where the stack was started."""

    given: Mapping[str, str] = field(default_factory=dict)
    implied: Mapping[str, str] = field(default_factory=dict)


def running(home: Path) -> Path:
    """The file of the stack that runs in `home`."""
    return home / "run" / "settings.json"


def last(home: Path) -> Path:
    """The file of the last start of `home`."""
    return home / "settings.json"


def read(path: Path) -> Kept | None:
    """What `keep` wrote; None when there is nothing that can be read."""
    try:
        raw = json.loads(path.read_text())
        return Kept(_texts(raw["given"]), _texts(raw["implied"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(path: Path, kept: Kept) -> None:
    """Replace the file in one move."""
    write(path, json.dumps(asdict(kept)))


def promote(home: Path) -> None:
    """The settings of the stack that runs are good: the next start may lean on them. A full disk must not end the caller."""
    with suppress(OSError):
        write(last(home), running(home).read_text())


def write(path: Path, text: str) -> None:
    """Replace a file in one move, mode 0600 from its first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as target:
            os.fchmod(target.fileno(), 0o600)
            target.write(text)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def supervisor(home: Path) -> int | None:
    """The pid of the supervisor of `home`; None when none lives. The lock ends with its holder, so the pid is never stale.

    Raises Unusable when nobody can say, because `home` is not a folder or not ours.
    """
    try:
        held = os.open(home / "run" / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(home, error) from error
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(held, 20, 0) or 0) or None
    finally:
        os.close(held)
    return None


def unusable(home: Path, error: OSError) -> Unusable:
    """What is wrong with a home that cannot be read or written."""
    where = str(error.filename or home)
    inside = "" if Path(where) == home else f" ({where})"
    reason = (error.strerror or str(error)).lower()
    return Unusable(f"TOCSIN_HOME={home} cannot be used: {reason}{inside}; set it to a folder that you own")


def remember_database(home: Path, where: str, at: str) -> None:
    """This home's stack has a database with data in it: where, without secrets, and since when."""
    path = home / "database.json"
    if (before := _remembered(home)) is None or before[0] != where:
        write(path, json.dumps({"database": where, "since": at}))


def remembered_database(home: Path) -> str | None:
    """The database this home has had, in words; None when it remembers none. `admin-token` tells of older releases' stacks."""
    if before := _remembered(home):
        return f"{before[0]}, since {before[1]}"
    return f"see {home / 'admin-token'}" if (home / "admin-token").exists() else None


def _remembered(home: Path) -> tuple[str, str] | None:
    """Where the database of this home is, and since when."""
    try:
        raw = json.loads((home / "database.json").read_text())
        return str(raw["database"]), str(raw["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def has_had_database(home: Path) -> bool:
    """Whether a start of this release got as far as a database."""
    return (home / "database.json").exists()


def must_be_new(home: Path, where: str, fresh: bool) -> None:
    """Nothing is in the database at `where`: raises Unusable when this home has had one with data, unless `fresh`.

    fresh: what the home remembers is forgotten, and the token that belonged to it goes.
    """
    before = remembered_database(home)
    if before is not None and not fresh:
        raise Unusable(
            f"the database is empty ({where}), but this home had one with data ({before}); restore it from a backup, or"
            " correct TOCSIN_DATABASE_URL; `tocsin up --fresh` (or `tocsin prepare --fresh`) starts over"
        )
    for name in ("database.json", "admin-token"):
        (home / name).unlink(missing_ok=True)


def _texts(raw: Mapping[str, object]) -> dict[str, str]:
    return {str(name): str(value) for name, value in raw.items()}
