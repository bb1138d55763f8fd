"""Lines of SSH's authorized_keys. Pure."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

KEY = re.compile(r"(?P<kind>(?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)[ \t]+(?P<blob>[A-Za-z0-9+/]{16,}={0,3})(?:[ \t]+(?P<comment>.*))?")
OPTIONS = re.compile(r"(?:[^\s\"]++|\"(?:[^\"\\]++|\\.)*+\")++")  # possessive: a line may have megabytes
OPTION = re.compile(r"(?:^|,)([A-Za-z0-9-]++)(?:=\"(?:[^\"\\]++|\\.)*+\")?")
LONGEST_COMMENT = 60


@dataclass(frozen=True, slots=True)
class Key:
    """One key that may log in."""

    fingerprint: str  # as `ssh-keygen -l` prints it
    description: (
        str  # kind, options, comment. An option's value may be secret (environment="TOKEN=..."): a digest stands for them
    )


def parse(line: str) -> Key | None:
    """The key of a line; None for a comment, or what sshd would not take for one."""
    line, options = line.strip(), ""
    found = KEY.fullmatch(line)
    if found is None and (prefix := OPTIONS.match(line)):
        options, found = prefix[0], KEY.fullmatch(line[prefix.end() :].strip())
    if found is None or line.startswith("#"):
        return None
    try:
        digest = hashlib.sha256(base64.b64decode(found["blob"], validate=True)).digest()
    except binascii.Error:
        return None
    parts = [found["kind"], _options(options), (found["comment"] or "").strip()[:LONGEST_COMMENT]]
    return Key("SHA256:" + base64.b64encode(digest).decode().rstrip("="), " ".join(filter(None, parts)))


def _options(text: str) -> str:
    """`command,no-pty [1f3a0b5c]`"""
    return f"{','.join(OPTION.findall(text))} [{hashlib.sha256(text.encode()).hexdigest()[:8]}]" if text else ""
