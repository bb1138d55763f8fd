"""One Celery task per probe, `FAMILY.NAME`, found by the module's being there; its argument is a batch of check names."""

from app import measure, plugins
from app.celery import hint, task


def run(names: list[str], asked: str | None = None) -> None:
    """Run these checks and hand their results to the rules; `asked`: who wants the answers. Without names it is a try."""
    if asked and not names:
        measure.try_out(asked)
    elif measured := measure.check(names, asked, told=_judge):
        _judge(measured)


def _judge(measured: list[str]) -> None:
    hint("evaluate.checks", [measured])


for _name in plugins.probe_names():
    task(_name)(run)
