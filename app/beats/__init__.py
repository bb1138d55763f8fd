"""Signs of life: every pager, worker and beat says every few seconds that it is there; readiness and metrics read it."""

from app.beats.model import EVERY, FRESH, Seen
from app.beats.service import keep_saying, leave, say, tick
from app.beats.store import end, forget, seen, touch, turn_back

__all__ = ["EVERY", "FRESH", "Seen", "end", "forget", "keep_saying", "leave", "say", "seen", "tick", "touch", "turn_back"]
