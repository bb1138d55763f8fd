"""The queues: one for each family of checks, one for each stage of the line, one for upkeep. Pure."""

from enum import StrEnum


class Queue(StrEnum):
    """A queue is the first word of its tasks' names; a stage of the line has the name of its queue."""

    HEALTH = "health"
    PERFORMANCE = "performance"
    BUSINESS = "business"
    SECURITY = "security"
    EVALUATE = "evaluate"
    DEDUP = "dedup"
    ESCALATION = "escalation"
    NOTIFY = "notify"
    UPKEEP = "upkeep"

    @property
    def task(self) -> str:
        """The Celery task of a stage. Raises KeyError for a queue that is none."""
        return STAGE_TASKS[self]

    @property
    def dispatch(self) -> str:
        """The task that sends the due checks of a family."""
        return f"{self}.dispatch"

    @property
    def sweep(self) -> str:
        """The task that takes what the hints of a stage have missed."""
        return f"{self}.sweep"


class Upkeep(StrEnum):
    """The tasks of upkeep."""

    PARTITIONS = f"{Queue.UPKEEP}.partitions"
    RETENTION = f"{Queue.UPKEEP}.retention"
    ROLLUP = f"{Queue.UPKEEP}.rollup"
    WATCH = f"{Queue.UPKEEP}.watch"


CHECKS = (Queue.HEALTH, Queue.PERFORMANCE, Queue.BUSINESS, Queue.SECURITY)
STAGE_TASKS = {
    Queue.EVALUATE: "evaluate.checks",
    Queue.DEDUP: "dedup.alerts",
    Queue.ESCALATION: "escalation.advance",
    Queue.NOTIFY: "notify.send",
}
STAGES = tuple(STAGE_TASKS)
LINE = (*STAGES, Queue.UPKEEP)  # what a worker of the line takes from
ALL = (*CHECKS, *LINE)
