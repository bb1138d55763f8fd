"""Accounts, admin groups, sudo rules and SSH keys of a host, compared with the accepted baseline.

Metrics: `users`, `admins` (in an admin group), `sudo_rules`, `authorized_keys`, `empty_passwords`, `uid_0_accounts`, and
compared with the baseline `added_things`, `gone_things`, `changed_things`. Of a password it stores only whether it is set,
locked or empty; of a key, only the fingerprint.

Critical: an empty password or a second account with uid 0, even if accepted; anything new or changed. Warning: something was
removed. Unknown: something in the baseline can no longer be read (it stays accepted). What this account could never read, such
as /etc/shadow, is listed in the message and ignored. Only local files are read: no LDAP, no NIS.
"""

from collections.abc import Mapping

from app.checks.probe import Field, Reading, Run, Spec, Status, Unknown, drift, printable, probe, worst
from app.failure import Failed
from app.host import accounts
from app.host.accounts import Survey
from app.host.mounts import access

MAX_DETAILED = 3  # changes shown in full
SHOWN = 120  # characters of one state


class Host(Spec):
    """Whose accounts."""

    root: str = Field(default="/", pattern=r"^/", description="folder in which the host's files are, e.g. /host in a container")
    admin_groups: list[str] = Field(
        default=["root", "sudo", "wheel", "admin", "docker", "lxd"],
        description="groups whose members are administrators",
        examples=[["sudo", "docker"]],
    )
    authorized_keys: list[str] = Field(
        default=[".ssh/authorized_keys", ".ssh/authorized_keys2"],
        description="files with SSH keys, relative to each home or absolute; %u is the account's name",
    )


@probe(on_timeout=Status.UNKNOWN)
async def measure(spec: Host, run: Run) -> Reading:
    try:
        survey = await access(
            f"a home or other folder under {spec.root}",
            lambda: accounts.survey(spec.root, spec.admin_groups, spec.authorized_keys),
            run.timeout * 0.9,
        )
    except Failed as failed:
        raise Unknown(str(failed)) from None
    return _judge(survey, run.baseline)


def _judge(survey: Survey, baseline: Mapping[str, str] | None) -> Reading:
    unread = {name: state for name, state in (baseline or {}).items() if name.startswith(tuple(survey.unreadable))}
    observed = unread | {printable(name): printable(state) for name, state in survey.entries.items()}
    found = drift(observed if baseline is None else baseline, observed)
    parts = [(Status.CRITICAL, why) for why in survey.problems]
    if baseline is None:
        parts.append((Status.OK, f"baseline recorded: {len(observed)} entries"))
    elif found:
        parts.append((Status.CRITICAL if found.added or found.changed else Status.WARNING, str(found)))
        parts += [
            (Status.OK, f"{name}: {_cut(baseline[name])} -> {_cut(observed[name])}") for name in found.changed[:MAX_DETAILED]
        ]
    else:
        parts.append((Status.OK, f"{len(observed)} entries match the baseline"))
    if survey.unreadable:
        why = ", ".join(sorted(set(survey.unreadable.values()))[:MAX_DETAILED])
        parts.append((Status.UNKNOWN if unread else Status.OK, f"not readable: {why}"))
    counts = {"added_things": len(found.added), "gone_things": len(found.gone), "changed_things": len(found.changed)}
    message = "; ".join(why for _, why in parts)
    return Reading(worst(status for status, _ in parts), message, survey.figures | counts, observed=observed)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
