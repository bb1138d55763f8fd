"""What is kept for how long. Pure."""

from datetime import timedelta

DAILY = ("check_result", "sample", "verdict", "band", "rollup_5m")  # tables with one partition a day
AHEAD = 3  # days that have a partition before they begin
RUNS_KEPT = timedelta(days=1)  # answered "run now" requests
BEATS_KEPT = timedelta(days=1)  # processes that nobody has heard of
ROOTS = 500  # incidents looked at in one transaction
SLICE = 10_000  # rows dropped in one transaction
WHILE = 8.0  # seconds for each kind of rows, after which the rest waits for the next time: a task may take 50
WELL = 30.0  # seconds; with a row overdue for longer we are not well, and say nothing
