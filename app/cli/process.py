"""`tocsin web`, `worker`, `beat`, `pager`: one process each, for the stack, compose, systemd or Kubernetes."""

import os
from typing import Annotated

import typer

processes = typer.Typer(help="One process each.")


@processes.command()
def web() -> None:
    """Serve the console, the REST API and the intake on TOCSIN_HOST:TOCSIN_PORT."""
    from app.server import serve
    from app.settings import settings
    from app.supervisor import preflight

    preflight.certificate(settings())
    preflight.must_be_free(*preflight.console_port(settings()))
    ask_servers("web")
    serve()


@processes.command()
def worker(
    queues: Annotated[str | None, typer.Option("-Q", "--queues", help="Comma-separated queues; default: all.")] = None,
    children: Annotated[
        int | None, typer.Option("-c", "--concurrency", min=1, help="Concurrent tasks; default: one per core.")
    ] = None,
) -> None:
    """Run a Celery worker, for checks and for the pipeline from evaluation to notification."""
    from app.celery import app
    from app.queues import LINE

    ask_servers("worker")
    name = (queues or "all").partition(",")[0].replace("@", "-at-")  # what is before the @ of a worker's name is its own
    # The line waits for the database and the network, so threads do and cost one process; a probe may crash or hang in
    # foreign code, so checks run in children that can be killed.
    line_only = queues is not None and set(queues.split(",")) <= set(LINE)
    # Gossip and mingle serve features we do not use. The heartbeat stays, seldom: by it Flower knows who is online.
    words = ["--quiet", "worker", "--loglevel", "WARNING", "-O", "fair", "--without-gossip", "--without-mingle"]
    words += ["--heartbeat-interval", "10", "-n", f"{name}-{os.getpid()}@%h"]
    words += ["-P", "threads"] if line_only else []
    words += ["-Q", queues] if queues else []
    words += ["-c", str(children)] if children else []
    app.worker_main(words)


@processes.command()
def beat() -> None:
    """Run the scheduler (Celery beat). Several can run: due work is claimed in the database, so nothing runs twice."""
    from app import beats
    from app.celery import app

    ask_servers("beat")
    app.conf.include = app.conf.imports = ()  # it only sends names; the tasks themselves are the workers' business
    try:
        app.Beat(loglevel="WARNING", quiet=True, pidfile=None).run()
    finally:
        beats.leave("beat")


@processes.command()
def pager() -> None:
    """Run the pager: the whole pipeline, from evaluation to notification, without Celery or a broker."""
    from app.pager import main

    ask_servers("pager", broker=False)
    main()


def ask_servers(process: str, database: bool = True, broker: bool = True) -> None:
    """Start logging; log what is unavailable and retry. Raises Unusable for what waiting cannot fix."""
    from app import log
    from app.settings import settings
    from app.supervisor import preflight

    log.setup(process)
    for reason in preflight.servers(settings(), database, broker):
        log.get(__name__).warning("trying_again", reason=reason)
