"""Who a target stands for right now: users, teams and schedules become people, channels stay. Pure."""

from collections.abc import Container, Iterable, Mapping

from app.escalation.plan import ResolvedTarget
from app.people.model import Directory


def who(targets: Iterable[str], directory: Directory, on_call: Mapping[str, tuple[str, ...]]) -> dict[str, ResolvedTarget]:
    """Each target resolved; whoever has left or is a viewer is nobody."""
    able = directory.pageable
    return {target: _resolved(target, directory, able, on_call) for target in targets}


def _resolved(
    target: str, directory: Directory, able: Container[str], on_call: Mapping[str, tuple[str, ...]]
) -> ResolvedTarget:
    kind, _, name = target.partition(":")
    if kind == "channel":
        return ResolvedTarget(target, channel=name, because=f"channel {name}")
    if kind == "user":
        return _people(target, (name,), able, f"{name} is named", f"{name} is not here any more")
    if kind == "team":
        team = directory.teams.get(name)
        members = team.members if team else ()
        return _people(target, members, able, f"in team {name}", f"team {name} has nobody")
    return _people(target, on_call.get(name, ()), able, f"on call in {name}", f"nobody is on call in {name}")


def _people(target: str, logins: Iterable[str], able: Container[str], because: str, empty: str) -> ResolvedTarget:
    found = tuple(login for login in dict.fromkeys(logins) if login in able)
    return ResolvedTarget(target, users=found, because=because if found else empty)
