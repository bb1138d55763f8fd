"""Lines of authorized_keys are read as sshd reads them."""

import subprocess
from pathlib import Path

import pytest

from app.host import authorized_keys
from tests.programs import program

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, kind: str) -> None:
    keygen = program("ssh-keygen", "openssh-client")
    made = ["-q", "-t", kind, "-N", "", "-C", "ada on her laptop", "-f", str(tmp_path / "key")]
    subprocess.run([keygen, *made], check=True)
    told = subprocess.run([keygen, "-l", "-f", tmp_path / "key.pub"], capture_output=True, text=True, check=True).stdout
    found = authorized_keys.parse('command="echo \\"a b\\"",no-pty ' + (tmp_path / "key.pub").read_text())
    assert found is not None
    assert found.fingerprint == told.split()[1]
    assert "command,no-pty [" in found.description
    assert found.description.endswith("ada on her laptop")


@pytest.mark.parametrize(
    "line",
    ["", "#", f"# {KEY}", "ssh-ed25519", "ssh-ed25519 !!!!", f'command="open {KEY}', "ssh-rsa AAAAB3NzaC1yc2EAAAADA"],
    ids=repr,
)
def test_lines_that_hold_no_key(line: str) -> None:
    assert authorized_keys.parse(line) is None
