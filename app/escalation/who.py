"""Who a target stands for right now: users, teams and schedules become people, channels stay. Pure."""

from collections.abc import Container, Iterable, Mapping

from app.escalation.plan import ResolvedTarget
from app.people.model import Directory
from app.reason import Code, Reason


def who(targets: Iterable[str], directory: Directory, on_call: Mapping[str, tuple[str, ...]]) -> dict[str, ResolvedTarget]:
    """Each target resolved; whoever has left or is a viewer is nobody."""
    able = directory.pageable
    return {target: _resolved(target, directory, able, on_call) for target in targets}


def _resolved(
    target: str, directory: Directory, able: Container[str], on_call: Mapping[str, tuple[str, ...]]
) -> ResolvedTarget:
    kind, _, name = target.partition(":")
    if kind == "channel":
        return ResolvedTarget(target, Reason(Code.CHANNEL, {"channel": name}), channel=name)
    if kind == "user":
        return _people(target, (name,), able, Code.USER_NAMED, Code.USER_GONE, {"user": name})
    if kind == "team":
        team = directory.teams.get(name)
        members = team.members if team else ()
        return _people(target, members, able, Code.TEAM_MEMBER, Code.TEAM_EMPTY, {"team": name})
    return _people(target, on_call.get(name, ()), able, Code.ON_CALL, Code.NOBODY_ON_CALL, {"schedule": name})


def _people(
    target: str, logins: Iterable[str], able: Container[str], found: Code, empty: Code, facts: Mapping[str, str]
) -> ResolvedTarget:
    users = tuple(login for login in dict.fromkeys(logins) if login in able)
    return ResolvedTarget(target, Reason(found if users else empty, facts), users)
