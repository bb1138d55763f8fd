"""What people who are not declared set themselves: the fields of `User` for that, with the same meaning as in a file. Pure."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from pydantic import ValidationError

from app.errors import Fault, Invalid
from app.people.model import Person, Urgency, User
from app.people.reach import Reach, reach
from app.validation import explain, place
from app.walltime import instant, on_the_wall

FIELDS = ("timezone", "notify", "quiet_hours")
NIGHT = time(3)


def changed(user: User, written: Mapping[str, Any]) -> User:
    """The user with exactly these settings, each as in a file; what is left out is the default. Raises Invalid."""
    kept = {key: value for key, value in dump(user).items() if key not in FIELDS}
    given = {key: written[key] for key in FIELDS if written.get(key) is not None}
    try:
        return User.model_validate({**kept, **given})
    except ValidationError as error:
        faults = [Fault(place(one["loc"]) or "notify", explain(one)) for one in error.errors()]
        raise Invalid("; ".join(f"{one.field}: {one.detail}" for one in faults[:3]), faults) from None


def dump(user: User) -> dict[str, Any]:
    """The stored form of a user; the role always stands in it."""
    return {**user.model_dump(mode="json", by_alias=True, exclude_unset=True), "role": user.role.value}


def settings(user: User) -> dict[str, Any]:
    """The settings as a file would write them; only what is set."""
    return {key: value for key, value in dump(user).items() if key in FIELDS and value is not None}


def facts(user: User) -> dict[str, Any]:
    """The same for the audit: what is not set is null."""
    return {field: settings(user).get(field) for field in FIELDS}


def at_night(person: Person, now: datetime) -> datetime:
    """The next 03:00 where they live."""
    local = on_the_wall(now, person.zone)
    day = local.date() if local.time() < NIGHT else local.date() + timedelta(days=1)
    return instant(datetime.combine(day, NIGHT), person.zone)


def reached(person: Person, at: datetime) -> dict[Urgency, list[Reach]]:
    """How a page of a step that begins at `at` would reach them, by urgency; as the notify stage decides it."""
    return {urgency: reach(person, urgency, at) for urgency in Urgency}
