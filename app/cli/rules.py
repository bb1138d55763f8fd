"""`tocsin rules ...`"""

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.terminal import Json, say, say_list
from app.errors import NotActive, NotFound
from app.units import rounded
from app.visible import plain_json, visible
from app.wording import because, present_all

if TYPE_CHECKING:
    from app.rules.active import Active
    from app.rules.book import Book
    from app.rules.evaluate import Transition

rules = typer.Typer(help="Rules: list active rules, test one on recorded samples.", no_args_is_help=True)
FREE = {"ignore_unknown_options": True, "allow_extra_args": True}
Folder = Annotated[
    Path | None, typer.Option("--config", help="The configuration folder; default: TOCSIN_CONFIG.", show_default=False)
]


@rules.command("list")
def list_(as_json: Json = False) -> None:
    """List rules with the state of each series; `check:NAME` is the `alert:` of a check."""
    from app.db import transaction
    from app.review.rulebook import rulebook

    with transaction() as db:
        rows = rulebook(db)
    shown = [{**row, "state": sorted({one["state"] for one in row["series"]})} for row in rows]
    say_list(
        rows if as_json else shown,
        ("name", "kind", "check", "severity", "mode", "state", "owner"),
        as_json,
        "no active rules",
    )


@rules.command("test")
def try_out(
    rule: Annotated[str, typer.Argument(help="The rule's name; check:NAME for the `alert:` of a check.")],
    samples: Annotated[Path, typer.Option(help="CSV: timestamp,value[,label...]; an empty value is unknown.")],
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Run a rule of the configuration over recorded samples, with the live evaluator. Needs no database."""
    from app.errors import Invalid
    from app.review.recorded import read
    from app.review.replay import Replay, reads_results

    book = _book(folder)
    active = _found(book, rule)
    try:
        with samples.open(newline="", encoding="utf-8-sig") as lines:
            recorded = read(lines, reads_results(active))
    except OSError as error:
        raise Invalid(f"{samples}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Invalid(f"{samples}: not UTF-8 text") from None
    _print(Replay(active, book).run(recorded), as_json)


@rules.command(context_settings=FREE, hidden=True)
def backtest() -> None:
    """Run a rule over stored samples (not active yet)."""
    raise NotActive("`rules backtest` is not active yet; `tocsin rules test` runs a rule over samples in a file")


@rules.command(context_settings=FREE, hidden=True)
def review() -> None:
    """Review how noisy each rule is (not active yet)."""
    raise NotActive("`rules review` is not active yet")


def _book(folder: Path | None) -> "Book":
    from app.checks.model import Check
    from app.cli.config import load_or_exit
    from app.rules.book import made_of
    from app.rules.model import Rule

    config = load_or_exit(folder).config
    assert config is not None
    return made_of(config.of("check", Check), config.of("rule", Rule))


def _found(book: "Book", name: str) -> "Active":
    from app.configfile.finding import hint

    known = {rule.name: rule for rule in book.rules}
    if name not in known:
        raise NotFound(f'rule "{name}" not found among the active rules of the configuration{hint(name, known)}')
    return known[name]


def _print(steps: Iterable["Transition"], as_json: bool) -> None:
    """One line a step: at, value, score, state, because, and the labels of its series."""
    if as_json:
        for step in steps:
            say(plain_json(json.dumps(_row(step), ensure_ascii=False)))
        return
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["at", "value", "score", "state", "because", "series"])
    for step in steps:
        row = _row(step)
        labels = ",".join(f"{name}={value}" for name, value in row["labels"].items())
        why, series = visible(row["because"]), visible(labels)
        out.writerow([row["at"], _plain(row["value"]), _plain(row["score"]), row["state"], why, series])


def _row(step: "Transition") -> dict[str, Any]:
    verdict = step.verdict
    row = {
        "at": verdict.at.isoformat().replace("+00:00", "Z"),
        "value": _finite(verdict.value),
        "score": _finite(_score(step)),
        "state": verdict.state.value,
        "because": because(verdict.reasons),
        "reasons": present_all(verdict.reasons),
        "alerting": verdict.alerting,
        "severity": verdict.severity.value,
        "labels": json.loads(step.series),
    }
    if verdict.band is not None:
        row |= {"low": verdict.band.low, "expected": verdict.band.expected, "high": verdict.band.high}
    return row


def _score(step: "Transition") -> float | None:
    """How unusual: the kind's own score; without one, 1 while bad and 0 while ok."""
    if step.verdict.score is not None:
        return step.verdict.score
    return {"pending": 1.0, "firing": 1.0, "ok": 0.0}.get(step.verdict.state.value)


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: the largest number stands for it."""
    return None if value is None else max(min(value, sys.float_info.max), -sys.float_info.max)


def _plain(value: float | None) -> str:
    return "" if value is None else rounded(value)
