"""Reading log files on from where the last run left them."""

from app.checks.follow.files import Files
from app.checks.follow.follower import LONGEST, Follower, Limits
from app.checks.follow.rotated import open_regular

__all__ = ["LONGEST", "Files", "Follower", "Limits", "open_regular"]
