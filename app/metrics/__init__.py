"""The figures to watch Tocsin by, read from the rows themselves, so that no process can forget to count."""

from app.metrics.store import counts, due_too_late, is_read_only, oldest_overdue

__all__ = ["counts", "due_too_late", "is_read_only", "oldest_overdue"]
