"""`tocsin prepare`: what must run before the other processes: migrations, the first admin, the configuration."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.settings import Settings

commands = typer.Typer()


@commands.command(hidden=True)
def prepare(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start with a new database or secret key if the one in TOCSIN_HOME is lost.")
    ] = False,
) -> None:
    """Migrate the database, create the first admin and apply the configuration; `up` runs this first."""
    import logging

    from app import configfile
    from app.cli.process import ask_servers
    from app.settings import settings

    ask_servers("prepare", broker=False)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    _set_up(settings(), fresh)
    for text in configfile.boot():
        typer.echo(f"! {text}", err=True)  # the keeper shows lines marked so in red


def _set_up(found: "Settings", fresh: bool) -> None:
    """Everything but the configuration. Raises Unusable for an empty database where the home has had a full one."""
    from app import clock, kept, migrations, reader, upkeep
    from app.db import transaction
    from app.people import service as people
    from app.secret import starred_url
    from app.variables import KEY, make_secret

    if fresh and found.secret_key is None:
        make_secret(found.home, KEY)
    _ = found.key  # known before anything is sealed with it, or not at all
    where = f"embedded, in {found.home}" if found.embedded_database else starred_url(found.libpq)
    with transaction() as db:
        migrations.must_be_known(migrations.revision(db))
        if people.is_new(db):
            kept.must_be_new(found.home, where, fresh)
    migrations.upgrade(found.database)
    with transaction() as db:
        now = clock.now(db)
        upkeep.make_partitions(db, now)
        people.first_admin(db, found.home, now)
        reader.ensure(db)
    kept.remember_database(found.home, where, now.isoformat(timespec="seconds"))
