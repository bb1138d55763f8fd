"""Fires while a boolean expression over other rules is true: `checkout-slow and not orders-dropped`.

A rule counts as true while its alert fires, and as unknown while its state is unknown or it is learning. Rules with several
label sets are combined label set by label set; a rule without labels applies to all of them.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, field_validator

from app.reason import Reason
from app.rules.expression import parse
from app.rules.model import Finding, Rule
from app.wording import Facts, Phrase

STATES = {True: "is firing", False: "is not firing", None: "is unknown"}


class Code(StrEnum):
    """What it finds."""

    HOLDS = "composite.holds"
    FAILS = "composite.fails"
    UNKNOWN = "composite.unknown"  # it hangs on rules that are unknown


def _each(facts: Facts) -> str:
    return "; ".join(f"{one['rule']} {STATES[one['firing']]}" for one in facts["rules"])


PHRASES: dict[str, Phrase] = dict.fromkeys(Code, _each)


class Spec(Rule):
    """Which rules, joined how. Its check is that of the first rule named."""

    check: str | None = Field(default=None, description="check it belongs to; default: that of the first rule in `when`")  # type: ignore[assignment]
    when: str = Field(
        max_length=2000,
        description="names of rules, combined with and, or, not and parentheses",
        examples=["threshold and not absence"],
    )

    @field_validator("when")
    @classmethod
    def _parses(cls, given: str) -> str:
        parse(given)
        return given


def members(spec: Spec) -> tuple[str, ...]:
    """The rules it is made of."""
    return parse(spec.when).names


def combine(spec: Spec, firing: Mapping[str, bool | None]) -> Finding:
    """What follows from whether each of its rules fires (None: unknown)."""
    holds = parse(spec.when).value(firing)
    code = {True: Code.HOLDS, False: Code.FAILS, None: Code.UNKNOWN}[holds]
    facts = {"rules": [{"rule": name, "firing": firing.get(name)} for name in members(spec)]}
    return Finding(holds, holds is False, None if holds is None else float(holds), Reason(code, facts))
