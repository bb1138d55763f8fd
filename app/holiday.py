"""Public holidays, and the days people write in their place: `FR`, `US-CA`, `2026-12-24`. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator


def known_day(text: object) -> object:
    """A date as written, or a country (or COUNTRY-SUBDIVISION) whose public holidays are known. Raises ValueError."""
    if isinstance(text, date):
        return text.isoformat()
    if isinstance(text, str):
        try:
            date.fromisoformat(text)
        except ValueError:
            _public(text, 2026)
    return text


Holiday = Annotated[str, BeforeValidator(known_day)]


def is_holiday(days: Iterable[str], day: date) -> bool:
    """Whether `day` is one of these dates, or a public holiday of one of these places."""
    text = day.isoformat()
    return any(one == text if one[0].isdigit() else day in _public(one, day.year) for one in days)


@lru_cache(maxsize=2048)
def _public(code: str, year: int) -> frozenset[date]:
    """A year's public holidays of a country or of a part of it. Raises ValueError for a code nobody knows."""
    import holidays  # half a second that only who has holidays pays for

    country, _, part = code.partition("-")
    try:
        if country in holidays.list_supported_countries():
            return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError:
        pass
    near = _nearest(code, country)
    hint = f' (did you mean "{near}"?)' if near else ""
    raise ValueError(f"{code!r} is neither a date (2026-12-24) nor a country (FR, US-CA) with known holidays{hint}")


def _nearest(code: str, country: str) -> str | None:
    """The code that is most like it; a country's name counts as its code."""
    words = _words()
    found = get_close_matches(country.lower(), words, n=1, cutoff=0.75)
    known = words[found[0]] if found else None
    if known is None or "-" not in code:
        return known
    import holidays

    parts = {f"{known}-{part}".lower(): f"{known}-{part}" for part in holidays.list_supported_countries()[known]}
    close = get_close_matches(f"{known}-{code.partition('-')[2]}".lower(), parts, n=1)
    return parts[close[0]] if close else known


@lru_cache(maxsize=1)
def _words() -> Mapping[str, str]:
    """Codes of two letters, by themselves and by the country's name, in lower case."""
    from holidays.registry import COUNTRIES

    names = {name.replace("_", " "): entry[1] for name, entry in COUNTRIES.items()}
    return {**names, **{code.lower(): code for code in names.values()}}
