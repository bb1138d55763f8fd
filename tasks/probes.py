"""One Celery task per probe, `FAMILY.NAME`, found by the module's being there; its argument is a batch of check names."""

from app import line, plugins
from app.celery import app, hint


def run(names: list[str]) -> None:
    """Run these checks and hand their results to the rules."""
    measured = line.check(names)
    if measured:
        hint("evaluate.checks", [measured])


for _name in plugins.probe_names():
    app.task(run, name=_name)
