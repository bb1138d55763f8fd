"""One Celery task per probe, `FAMILY.NAME`, found by the module's being there; its argument is a batch of check names."""

from app import measure, plugins
from app.celery import task


def run(names: list[str], asked: str | None = None) -> None:
    """Run these checks; `asked`: who wants the answers. Without names it is a try."""
    measure.batch(names, asked)


for _name in plugins.probe_names():
    task(_name)(run)
