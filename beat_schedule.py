"""The clock face: what happens how often. Every tick only means "claim what is due", so that any number of beats may run.

Intervals in seconds, UTC. A tick that nobody took within its period is dropped: the next one says the same.
"""

EVERY = {
    "health.dispatch": 1,
    "performance.dispatch": 1,
    "business.dispatch": 1,
    "security.dispatch": 1,
    "evaluate.sweep": 5,
    "dedup.sweep": 5,
    "escalation.sweep": 5,
    "notify.sweep": 2,
    "upkeep.watch": 15,
    "upkeep.rollup": 60,
    "upkeep.partitions": 3600,
    "upkeep.retention": 3600,
}

beat_schedule = {task: {"task": task, "schedule": period, "options": {"expires": period}} for task, period in EVERY.items()}
