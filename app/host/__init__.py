"""This machine as probes see it: programs, the journal, log files followed, mounts, files, accounts, log-ins. No network."""
