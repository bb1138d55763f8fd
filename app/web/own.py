"""The form in which people set their time zone, notification rules and quiet hours. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.people.model import Person, User
from app.people.own import settings

URGENCIES = ("high", "low")
ROWS = 20  # of one urgency that are read


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form. rules: contact and `after`, as typed, by urgency; person: as they would be then."""

    timezone: str
    rules: Mapping[str, tuple[tuple[str, str], ...]]
    quiet_from: str
    quiet_to: str
    error: str = ""
    person: Person | None = None

    def settings(self) -> dict[str, Any]:
        """As a file would write them; no rule of an urgency is its default."""
        notify = {
            urgency: [{"contact": contact, "after": after or "0s"} for contact, after in rules]
            for urgency, rules in self.rules.items()
            if rules
        }
        hours = {"from": self.quiet_from, "to": self.quiet_to} if self.quiet_from or self.quiet_to else None
        return {"timezone": self.timezone or None, "notify": notify or None, "quiet_hours": hours}


def read(typed: Mapping[str, str]) -> Draft:
    """What was typed; a row without a contact is none."""
    rules = {
        urgency: tuple(
            (contact, typed.get(f"{urgency}.after.{n}", "").strip())
            for n in range(ROWS)
            if (contact := typed.get(f"{urgency}.contact.{n}", ""))
        )
        for urgency in URGENCIES
    }
    return Draft(typed.get("timezone", "").strip(), rules, typed.get("quiet.from", ""), typed.get("quiet.to", ""))


def written(user: User) -> Draft:
    """What is set, as it would be typed."""
    known = settings(user)
    notify, hours = known.get("notify") or {}, known.get("quiet_hours") or {}
    rules = {urgency: tuple(_row(one) for one in notify.get(urgency) or ()) for urgency in URGENCIES}
    return Draft(known.get("timezone") or "", rules, _clock(hours.get("from")), _clock(hours.get("to")))


def _clock(stored: str | None) -> str:
    return (stored or "")[:5]


def _row(rule: Mapping[str, str]) -> tuple[str, str]:
    after = rule.get("after", "0s")
    return rule["contact"], "" if after == "0s" else after
