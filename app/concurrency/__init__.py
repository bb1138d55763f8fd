"""How Tocsin waits: one event loop per process, threads for calls that may hang, deadlines that know when it was stopped."""
