"""Runs that somebody asked for: one check, many at once, or one with other settings; the answers come back as rows."""
