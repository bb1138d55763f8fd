"""How a person is reached: which contacts, in which order, when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.people.model import INBOX, Contact, NotifyRule, Person, QuietHours, Urgency
from app.reason import Code, Reason, Reasons
from app.walltime import instant

AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Reach:
    """One contact to be used, when, and why."""

    contact: Contact
    at: datetime
    reasons: Reasons


def reach(person: Person, urgency: Urgency, at: datetime) -> list[Reach]:
    """The contacts for a step that began at `at`; each once per `after`. Low urgency waits for the end of quiet hours.

    `after` counts from the step, or from the end of the quiet hours in which it began.
    """
    contacts = {contact.name: contact for contact in person.contacts}
    held = hold(person, urgency, at)
    start, waits = held if held else (at, ())
    found: dict[tuple[str, timedelta], Reach] = {}
    for name, after, why in wanted(person, urgency):
        reason = Reason(why, {"urgency": urgency.value})
        then, why_then = hold(person, urgency, start + after) or (start + after, waits)
        found.setdefault((name, after), Reach(contacts[name], then, (reason, *why_then)))
    return sorted(found.values(), key=lambda one: one.at)


def hold(person: Person, urgency: Urgency, at: datetime) -> tuple[datetime, Reasons] | None:
    """Until when pages of a step that begins at `at` wait for the end of the person's quiet hours, and why; None: no wait."""
    if urgency is not Urgency.LOW or person.user.quiet_hours is None:
        return None
    end = quiet_until(person.user.quiet_hours, person.zone, at)
    facts = {"until": end.isoformat(), "local": f"{end.astimezone(person.zone):%H:%M}"}
    return (end, (Reason(Code.QUIET_HOURS, facts),)) if end > at else None


def rehold(person: Person, due: datetime, reasons: Reasons, now: datetime) -> tuple[datetime, Reasons] | None:
    """When a page that is held for quiet hours is due by the person's quiet hours as they are now, and why; None: as before."""
    (before,) = (one for one in reasons if one.code == Code.QUIET_HOURS)
    after = due - datetime.fromisoformat(before.facts["until"])
    end, why = hold(person, Urgency.LOW, now) or (now, ())
    changed = tuple(one for one in reasons if one is not before) + why
    return None if changed == reasons else (end + after, changed)


def wanted(person: Person, urgency: Urgency) -> list[tuple[str, timedelta, Code]]:
    """The names of the contacts of this urgency, how long after a step's beginning each is used, and which rule says so."""
    rules: Sequence[NotifyRule] | None = person.user.notify.high if urgency is Urgency.HIGH else person.user.notify.low
    if rules == ():
        return [(INBOX, AT_ONCE, Code.NOTIFY_EMPTY)]
    if rules is not None:
        return [(rule.contact, rule.after, Code.NOTIFY_RULE) for rule in rules]
    names = [contact.name for contact in person.contacts]
    if urgency is Urgency.LOW:
        names = names[:2]  # the inbox and the first contact
    return [(name, AT_ONCE, Code.NOTIFY_DEFAULT) for name in names]


def quiet_until(hours: QuietHours, zone: ZoneInfo, at: datetime) -> datetime:
    """The end of the quiet hours that hold `at`, or `at` itself outside of them. `from` = `to` is never quiet."""
    local = at.astimezone(zone)
    for day in (local.date() - timedelta(days=1), local.date()):
        begin = instant(datetime.combine(day, hours.from_), zone)
        end = instant(datetime.combine(day if hours.to > hours.from_ else day + timedelta(days=1), hours.to), zone)
        if hours.from_ != hours.to and begin <= at < end:
            return end
    return at
