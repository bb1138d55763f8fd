"""One test of a rule for all files: it fails with every file that breaks the rule."""

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def every(name: str, values: Sequence[Path]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As `pytest.mark.parametrize` with one test instead of hundreds; what two thousand files share costs once."""

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)

        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            wrong = []
            for value in values:
                try:
                    test(**{name: value}, **fixtures)
                except AssertionError as error:
                    wrong.append(f"{value.relative_to(ROOT)}: {error}")
            assert not wrong, "\n\n".join(wrong)

        rest = [one for one in signature.parameters.values() if one.name != name]
        run.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]  # what pytest looks at
        return run

    return wrap
