"""Bounds a check may judge numbers by, when no rule does."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Grade = Literal["ok", "warning", "critical"]
NAMED = 3  # values that a message names


class Limits(BaseModel):
    """`warning_*` and `critical_*` of a probe that asks for numbers; unset ones judge nothing.

    What is asked for and has no value cannot be judged: the probe then says unknown, never ok.
    """

    model_config = ConfigDict(allow_inf_nan=False)  # nothing is above or below NaN
    warning_below: float | None = Field(default=None, description="a value below this warns")
    critical_below: float | None = Field(default=None, description="a value below this is critical")
    warning_above: float | None = Field(default=None, description="a value above this warns")
    critical_above: float | None = Field(default=None, description="a value above this is critical")

    @property
    def judges(self) -> bool:
        """Is any bound set?"""
        bounds = (self.warning_below, self.critical_below, self.warning_above, self.critical_above)
        return any(bound is not None for bound in bounds)

    def judge(self, values: Mapping[str, float]) -> tuple[Grade, list[str]]:
        """The worst of what these named values deserve, and why, worst named first."""
        found: dict[Grade, list[str]] = {"critical": [], "warning": []}
        for name, value in values.items():
            grade, why = self._grade(value)
            if grade != "ok":
                found[grade].append(f"{name} {value:g} is {why}".lstrip())
        reasons = found["critical"] + found["warning"]
        more = [f"and {len(reasons) - NAMED} more"] if len(reasons) > NAMED else []
        return "critical" if found["critical"] else "warning" if found["warning"] else "ok", reasons[:NAMED] + more

    def _grade(self, value: float) -> tuple[Grade, str]:
        bounds: tuple[tuple[Grade, float | None, float | None], ...] = (
            ("critical", self.critical_below, self.critical_above),
            ("warning", self.warning_below, self.warning_above),
        )
        for grade, low, high in bounds:
            if low is not None and value < low:
                return grade, f"below {low:g}"
            if high is not None and value > high:
                return grade, f"above {high:g}"
        return "ok", ""
