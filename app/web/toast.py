"""The confirmation of an action, with its undo; travels in a cookie to the next page, so it works without JavaScript."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from app.units import counted

COOKIE = "tocsin_toast"
_SEVERAL = re.compile(r"((?:[0-9]{1,18}(?:-[0-9]{1,18}){0,99})?)\.([0-9]{1,3})")  # numbers, and how many are unchanged
_OVERRIDE = re.compile(r"([0-9]{1,18})\.(.+)")  # its id, and the text
LIMIT = 300  # characters
# The text of each action, and the action that undoes it.
ACTIONS = {
    "acknowledged": ("{} acknowledged", "unacknowledge", "Undo"),
    "resolved": ("{} resolved", "undo-resolve", "Undo"),
    "restored": ("{} reopened, acknowledged as before", None, None),
    "reopened": ("{} reopened; escalation restarts at step 1", None, None),
    "unacknowledged": ("{} unacknowledged; escalation restarts at step 1", None, None),
    "snoozed": ("{} snoozed", "unacknowledge", "Undo"),
    "escalated": ("{} escalated", "undo", "Undo"),
    "assigned": ("{} assigned", "undo", "Undo"),
    "undone": ("{}: undone", None, None),
    "merged": ("Merged into {}", None, None),
    "noted": ("Note added to {}", None, None),
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
        return cls(text.format(f"#{number}"), f"/incidents/{number}/{undo}" if undo else None, label, f"{action}.{number}")

    @classmethod
    def actions(cls, action: str, numbers: Sequence[int], unchanged: int) -> "Toast":
        """About several incidents, and how many more were asked for and had changed meanwhile."""
        text, undo, label = ACTIONS[action]
        said = text.format(counted(len(numbers), "incident")) + (f"; {unchanged} unchanged" if unchanged else "")
        path = f"/incidents/bulk/{undo}?{urlencode([('number', one) for one in numbers])}" if undo and numbers else None
        return cls(said, path, label, f"{action}.{'-'.join(map(str, numbers))}.{unchanged}")

    @classmethod
    def plain(cls, text: str) -> "Toast":
        """About anything else."""
        return cls(text[:LIMIT], written=f"say.{quote(text[:LIMIT], safe='')}")

    @classmethod
    def override(cls, id_: int, text: str) -> "Toast":
        """About an override that was made, which Undo deletes."""
        words = text[:LIMIT]
        return cls(words, f"/oncall/overrides/{id_}/remove", "Undo", f"override.{id_}.{quote(words, safe='')}")

    @classmethod
    def read(cls, cookie: str | None) -> "Toast | None":
        """The toast of a cookie; None when there is none, or it is not one of ours."""
        action, _, rest = (cookie or "").partition(".")
        if action in ACTIONS and rest.isdecimal() and len(rest) < 19:
            return cls.action(action, int(rest))
        several = _SEVERAL.fullmatch(rest) if action in ACTIONS else None
        if several is not None:
            return cls.actions(action, [int(one) for one in several[1].split("-") if one], int(several[2]))
        made = _OVERRIDE.fullmatch(rest) if action == "override" else None
        if made is not None:
            return cls.override(int(made[1]), unquote(made[2]))
        return cls.plain(unquote(rest)) if action == "say" and rest else None
