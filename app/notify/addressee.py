"""Whether the person of a page, and their contact, are still there as they were when it was queued. Pure."""

from app.notify.model import Draft, Kind
from app.people.model import Person
from app.reason import Code, Reason

FOR_THE_PAGEABLE = (Kind.PAGE, Kind.UPDATE)  # a viewer is notified of the end of what they were paged for, and may test


def gone(draft: Draft, person: Person | None) -> Reason | None:
    """Why this page cannot be sent to its person at its address any more; None where it can, or is nobody's."""
    if draft.user is None:
        return None
    if person is None or (draft.kind in FOR_THE_PAGEABLE and not person.role.pageable):
        return Reason(Code.PERSON_GONE, {"user": draft.user})
    if draft.contact is None:
        return None
    facts = {"user": draft.user, "contact": draft.contact}
    contact = next((one for one in person.contacts if one.name == draft.contact), None)
    if contact is None:
        return Reason(Code.CONTACT_REMOVED, facts)
    return None if (contact.channel, contact.to) == (draft.channel, draft.to) else Reason(Code.CONTACT_CHANGED, facts)
