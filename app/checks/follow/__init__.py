"""Reading log files on from where the last run left them."""

from app.checks.follow.files import Files
from app.checks.follow.follower import LONGEST, Follower, Limits
from app.checks.follow.globs import MAGIC, expand
from app.checks.follow.repeats import repeat
from app.checks.follow.rotated import open_regular

__all__ = ["LONGEST", "MAGIC", "Files", "Follower", "Limits", "expand", "open_regular", "repeat"]
