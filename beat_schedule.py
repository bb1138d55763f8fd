"""The clock face: what happens how often. Every tick only means "claim what is due", so that any number of beats may run.

Intervals in seconds, UTC. A tick that nobody took within its period is dropped: the next one says the same.
"""

from app.queues import CHECKS, Queue, Upkeep

EVERY = {
    **{family.dispatch: 1 for family in CHECKS},
    Queue.EVALUATE.sweep: 5,
    Queue.DEDUP.sweep: 5,
    Queue.ESCALATION.sweep: 5,
    Queue.NOTIFY.sweep: 2,
    str(Upkeep.WATCH): 15,
    str(Upkeep.ROLLUP): 60,
    str(Upkeep.PARTITIONS): 3600,
    str(Upkeep.RETENTION): 3600,
}

beat_schedule = {task: {"task": task, "schedule": period, "options": {"expires": period}} for task, period in EVERY.items()}
