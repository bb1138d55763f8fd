"""Fires while a boolean expression over other rules holds: `checkout-slow and not orders-dropped`.

A rule counts as true while its alert is on, and cannot tell while its state is unknown or it learns. A rule of many label sets
meets others label set by label set; one without labels holds for all of them.
"""

from collections.abc import Mapping

from pydantic import Field, field_validator

from app.rules.expression import parse
from app.rules.model import Finding, Rule

WORDS = {True: "fires", False: "does not", None: "cannot tell"}


class Spec(Rule):
    """Which rules, joined how. Its check is that of the first rule named."""

    check: str | None = Field(default=None, description="default: the check of the first rule that is named")  # type: ignore[assignment]
    when: str = Field(max_length=2000, description="names of rules joined by and, or, not and brackets")

    @field_validator("when")
    @classmethod
    def _parses(cls, given: str) -> str:
        if not parse(given).names:
            raise ValueError("a composite rule names at least one other rule")
        return given


def members(spec: Spec) -> tuple[str, ...]:
    """The rules it is made of."""
    return parse(spec.when).names


def combine(spec: Spec, firing: Mapping[str, bool | None]) -> Finding:
    """What follows from whether each of its rules fires (None: cannot tell)."""
    holds = parse(spec.when).value(firing)
    because = "; ".join(f"{name} {WORDS[firing.get(name)]}" for name in members(spec))
    return Finding(holds, holds is False, None if holds is None else float(holds), because)
