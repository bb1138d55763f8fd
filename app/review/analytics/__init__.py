"""What paged whom, when, and whether it needed anybody: the figures of the weekly review, over a range of days."""
