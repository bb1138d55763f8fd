"""The probes there are: those that can be used, and what is wrong with the others. Anybody may drop a file into a folder."""

from app import plugins
from app.checks.probe import Probe
from app.errors import Invalid


def found(name: str) -> Probe:
    """Probe `family.NAME`. Raises KeyError when there is none, and Invalid, with its file, when it cannot be loaded."""
    module = plugins.probe_module(name)
    try:
        probe = getattr(module, "measure", None)
    except Exception as error:  # a module may have a `__getattr__`
        raise Invalid(f"{plugins.probe_file(name)}: {type(error).__name__}: {error}") from error
    if not isinstance(probe, Probe):
        raise Invalid(f"{plugins.probe_file(name)}: it has no `measure` declared with @probe()")
    return probe


def usable() -> dict[str, Probe]:
    """Every probe that can be loaded and described, by name."""
    return {name: one for name, one in _all().items() if isinstance(one, Probe)}


def broken() -> dict[str, str]:
    """Every probe that cannot, by name, with its file and what is wrong with it."""
    return {name: str(one) for name, one in _all().items() if isinstance(one, Invalid)}


def _all() -> dict[str, Probe | Invalid]:
    all_: dict[str, Probe | Invalid] = {}
    for name in plugins.probe_names():
        try:
            all_[name] = _described(name)
        except Invalid as error:
            all_[name] = error
    return all_


def _described(name: str) -> Probe:
    probe = found(name)
    try:
        probe.spec.model_json_schema()
    except Exception as error:
        why = " ".join(str(error).partition("For further information")[0].split())
        raise Invalid(f"{plugins.probe_file(name)}: {probe.spec.__name__} has no schema: {why}") from error
    return probe
