"""Reading log files on from where the last run left them."""

from app.host.follow.files import Files
from app.host.follow.follower import LONGEST, Follower, Limits
from app.host.follow.globs import MAGIC, expand
from app.host.follow.repeats import repeat
from app.host.follow.rotated import open_regular

__all__ = ["LONGEST", "MAGIC", "Files", "Follower", "Limits", "expand", "open_regular", "repeat"]
