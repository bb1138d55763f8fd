"""The files of the first admin in the home: each holds only its value, mode 0600, and is right or gone."""

from pathlib import Path

from app import kept

PASSWORD, TOKEN = "admin-password", "admin-token"
SECRETS = (PASSWORD, TOKEN, "flower-password", "secret-key")


def password(home: Path) -> str | None:
    """The password on disk; None when there is none that can be read."""
    return _value(home / PASSWORD)


def token(home: Path) -> str | None:
    """The token on disk; None when there is none that can be read."""
    return _value(home / TOKEN)


def write_token(home: Path, value: str) -> None:
    """Replace the token."""
    kept.write(home / TOKEN, value)


def remove(home: Path, name: str) -> None:
    """Remove a file whose value is no longer right."""
    (home / name).unlink(missing_ok=True)


def make_private(home: Path) -> None:
    """Take rights away that a copy or a backup tool has given to others."""
    for name in SECRETS:
        path = home / name
        if path.exists() and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _value(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
