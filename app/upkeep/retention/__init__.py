"""Removing what is older than its retention, a slice a transaction."""
