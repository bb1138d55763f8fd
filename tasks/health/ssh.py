"""An SSH server: responds, and has the accepted host key.

Metrics: `seconds` until the end of the check, `banner_seconds` until the server's identification, `weak_algorithms` (how many
it offers), `host_key_matches` (0 or 1) once there is a key to compare with.

Critical: no response, not an SSH server, or a different host key than `fingerprint` or, if that is unset, than the first key
seen. Warning: weak algorithms, with `warn_weak`. Unknown: the host key cannot be requested. The check does not log in.
"""

import re
import time
from collections.abc import Mapping, Sequence

from app.checks.probe import Field, Reading, Run, Spec, Status, Unknown, measured, probe, unanswered, worst
from app.failure import Failed
from app.net.ssh import HostKey, Offers, Server, inspect_server
from app.net.sshkey import KINDS
from app.net.url import Host

# Broken or close to it: SHA-1 in signatures and exchanges, DSA, CBC (plaintext recovery), RC4, MD5, and nothing at all.
WEAK = re.compile(r"none|ssh-dss|ssh-rsa|(diffie-hellman|gss|rsa).*sha1.*|.*-cbc(@.*)?|arcfour.*|hmac-(md5|sha1-96).*")


class Target(Spec):
    """Which server, and what it is recognised by."""

    host: Host = Field(description="name or address", examples=["web1.example.org"])
    port: int = Field(default=22, ge=1, le=65535, description="TCP port")
    fingerprint: str | None = Field(
        default=None,
        pattern=r"^SHA256:[A-Za-z0-9+/]{43}$",
        description="fingerprint of any of its host keys, as `ssh-keygen -l` shows it; unset = the first key seen is"
        " the baseline",
    )
    host_key: bool = Field(default=True, description="compare the host key; false = only check that it is an SSH server")
    expect: str | None = Field(default=None, min_length=1, description="text its identification must contain, e.g. `OpenSSH_9`")
    warn_weak: bool = Field(default=False, description="warn about algorithms that are broken or nearly broken")


@probe(on_timeout=Status.CRITICAL)
async def measure(spec: Target, run: Run) -> Reading:
    started = time.perf_counter()
    try:
        server, keys = await _connect(spec, run, started + run.timeout * 0.95)  # before the runner's time-out: says what hung
    except Failed as failed:
        raise unanswered(failed) from None
    weak = _weak(server.offers)
    metrics = {
        "seconds": time.perf_counter() - started,
        "banner_seconds": server.banner_seconds,
        "weak_algorithms": float(len(weak)),
    }
    problems = []
    if spec.expect is not None and spec.expect not in server.identification:
        problems.append(f"its identification {server.identification!r} does not contain {spec.expect!r}")
    if spec.host_key and (spec.fingerprint or run.baseline is not None):
        mismatch = _key_mismatch(spec.fingerprint, run.baseline or {}, server, keys)
        metrics["host_key_matches"] = float(not mismatch)
        problems += filter(None, [mismatch])
    status = Status.CRITICAL if problems else Status.OK
    if weak and spec.warn_weak:
        problems.append(f"it offers weak algorithms: {', '.join(weak)[:300]}")
        status = worst([status, Status.WARNING])
    observed = {key.kind: key.fingerprint for key in keys} if keys and not spec.fingerprint else None
    return Reading(status, "; ".join(problems) or _summary(server, keys, metrics), metrics, observed=observed)


async def _connect(spec: Target, run: Run, deadline: float) -> tuple[Server, list[HostKey]]:
    """The server, and its keys up to the expected one: of each kind it shows one per connection. Raises Failed."""
    accepted = run.baseline or {}
    remaining = (
        sorted(KINDS, key=lambda name: KINDS[name][0] not in accepted) if spec.host_key else []
    )  # known kinds first, as ssh does
    keys: list[HostKey] = []
    while True:
        server = await inspect_server(spec.host, spec.port, timeout=deadline - time.perf_counter(), keys=remaining)
        if server.key is None:
            return server, keys
        keys.append(server.key)
        if spec.fingerprint in (None, server.key.fingerprint):
            return server, keys
        remaining = [name for name in remaining if KINDS[name][0] != server.key.kind]


def _key_mismatch(fingerprint: str | None, baseline: Mapping[str, str], server: Server, keys: Sequence[HostKey]) -> str:
    """A message when the host key is not the expected one, else empty. Raises Unknown when it shows none."""
    if not keys:
        raise Unknown(f"{server.identification} offers no supported host key type: {', '.join(server.offers.host_keys)[:200]}")
    last = keys[-1]
    shown_keys = ", ".join(f"{key.kind} {key.fingerprint}" for key in keys)
    if fingerprint is not None:
        fits = last.fingerprint == fingerprint
        return "" if fits else f"none of its host keys is {fingerprint}: {shown_keys}; reinstalled, or a man in the middle"
    if baseline.get(last.kind) == last.fingerprint:
        return ""
    accepted = ", ".join(f"{kind} {value}" for kind, value in baseline.items())
    return f"host key changed: {shown_keys}, accepted: {accepted}; reinstalled, or a man in the middle"


def _weak(offers: Offers) -> list[str]:
    names = (*offers.exchanges, *offers.host_keys, *offers.ciphers, *offers.macs)
    return [name for name in names if WEAK.fullmatch(name)]


def _summary(server: Server, keys: Sequence[HostKey], metrics: Mapping[str, float]) -> str:
    parts = [f"{server.identification} answered in {measured(metrics['seconds'])}"]
    parts += [f"{key.kind} {key.fingerprint}" for key in keys[-1:]]
    if "host_key_matches" not in metrics and keys:
        parts.append("baseline recorded: 1 host key")
    return "; ".join(parts)
