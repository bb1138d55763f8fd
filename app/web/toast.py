"""The confirmation of an action, with its undo; travels in a cookie to the next page, so it works without JavaScript."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

COOKIE = "tocsin_toast"
LIMIT = 300  # characters
# The text of each action, and the action that undoes it.
ACTIONS = {
    "acknowledged": ("#{} acknowledged", "unacknowledge", "Undo"),
    "resolved": ("#{} resolved", "reopen", "Undo"),
    "reopened": ("#{} reopened; escalation restarts at step 1", None, None),
    "unacknowledged": ("#{} unacknowledged; escalation restarts at step 1", None, None),
    "snoozed": ("#{} snoozed", "unacknowledge", "Undo"),
    "escalated": ("#{} escalated to the next step", None, None),
    "assigned": ("#{} assigned", None, None),
    "merged": ("Merged into #{}", None, None),
    "noted": ("Note added to #{}", None, None),
}


@dataclass(frozen=True, slots=True)
class Toast:
    """`text` for people; `undo` is the path to POST to, if it can be taken back."""

    text: str
    undo: str | None = None
    label: str | None = None
    written: str = ""  # as the cookie's value

    @classmethod
    def action(cls, action: str, number: int) -> "Toast":
        """About an incident."""
        text, undo, label = ACTIONS[action]
        return cls(text.format(number), f"/incidents/{number}/{undo}" if undo else None, label, f"{action}.{number}")

    @classmethod
    def plain(cls, text: str) -> "Toast":
        """About anything else."""
        return cls(text[:LIMIT], written=f"say.{quote(text[:LIMIT], safe='')}")

    @classmethod
    def read(cls, cookie: str | None) -> "Toast | None":
        """The toast of a cookie; None when there is none, or it is not one of ours."""
        action, _, rest = (cookie or "").partition(".")
        if action in ACTIONS and rest.isdecimal() and len(rest) < 19:
            return cls.action(action, int(rest))
        return cls.plain(unquote(rest)) if action == "say" and rest else None
