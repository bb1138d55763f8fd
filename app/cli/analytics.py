"""`tocsin analytics`"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.terminal import Json, say, say_json, say_list
from app.review.analytics.model import LONGEST, USUAL
from app.signals.model import source_words
from app.units import counted, length

if TYPE_CHECKING:
    from app.review.analytics.model import Analytics, Listing, Spread

commands = typer.Typer()
SHOWN = 10  # lines of a list; --json has more


@commands.command()
def analytics(
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST, help="Number of days, including today, in the default time zone.")
    ] = USUAL,
    service: Annotated[str | None, typer.Option(help="Only incidents of this service.")] = None,
    team: Annotated[str | None, typer.Option(help="Only incidents of this team.")] = None,
    user: Annotated[str | None, typer.Option(help="Only pages to this user, and their incidents.")] = None,
    as_json: Json = False,
) -> None:
    """Show which alerts page people, at night and without need, and how fast incidents are acknowledged and resolved."""
    from app import clock
    from app.db import transaction
    from app.review.analytics import service as review
    from app.review.analytics.calendar import asked
    from app.review.analytics.model import Filter
    from app.review.analytics.present import present

    with transaction() as db:
        within = asked(days, None, None, review.default_zone(db), clock.now(db))
        found = review.analytics(db, within, Filter(service=service, team=team, user=user))
    if as_json:
        say_json(present(found))
    else:
        _say(found)


def _say(of: "Analytics") -> None:
    within, now, before = of.range, of.total.now, of.total.before
    paged, opened = now.paged, now.opened
    days = counted(len(within.days), "day")
    say(f"{within.days[0]} to {within.days[-1]} ({within.zone.key}), {days}; in parentheses: the period before")
    say(f"pages: {paged.pages} ({before.paged.pages}), at night {paged.night} ({before.paged.night}),"
        f" on weekends {paged.weekend} ({before.paged.weekend})")  # fmt: skip
    say(f"pages that needed no action: {paged.needed_nobody} ({before.paged.needed_nobody}),"
        f" at night {paged.night_needed_nobody} ({before.paged.night_needed_nobody})")  # fmt: skip
    say(f"incidents: {opened.incidents} ({before.opened.incidents}), needed no action {opened.needed_nobody}"
        f" ({before.opened.needed_nobody}), reopened {opened.reopened} ({before.opened.reopened}),"
        f" beyond step 1 {opened.escalated} ({before.opened.escalated})")  # fmt: skip
    say(f"time to acknowledge: {_spread(opened.acknowledge, 'not acknowledged')}")
    say(f"time to resolve: {_spread(opened.resolve, 'not resolved')}")
    lists = {"alert": of.alerts, "service": of.services, "team": of.teams, "user": of.users}
    for name, listing in lists.items():
        if listing.rows:
            say("")
            say_list(_rows(name, listing), _COLUMNS[name], False, "")
            more = len(listing.rows[SHOWN:]) + listing.more
            say(f"and {more} more" if more else "")


_ALL = ("pages", "night", "weekend", "no action", "no action at night", "before")
_COLUMNS = {
    "alert": ("alert", "source", *_ALL, "incidents", "needed no action"),
    "service": ("service", *_ALL, "incidents", "needed no action"),
    "team": ("team", *_ALL, "incidents", "needed no action"),
    "user": ("user", *_ALL),
}


def _rows(name: str, listing: "Listing") -> list[dict[str, Any]]:
    return [
        {
            name: row.key.name,
            "source": row.key.source and source_words(row.key.source),
            "pages": row.now.paged.pages,
            "night": row.now.paged.night,
            "weekend": row.now.paged.weekend,
            "no action": row.now.paged.needed_nobody,
            "no action at night": row.now.paged.night_needed_nobody,
            "before": row.before.paged.pages,
            "incidents": row.now.opened.incidents,
            "needed no action": row.now.opened.needed_nobody,
        }
        for row in listing.rows[:SHOWN]
    ]


def _spread(of: "Spread", others: str) -> str:
    if of.median is None or of.mean is None or of.p90 is None:
        return f"none of {counted(of.without, 'incident')} yet"
    return f"median {length(of.median)}, mean {length(of.mean)}, p90 {length(of.p90)} of {of.count}; {others}: {of.without}"
