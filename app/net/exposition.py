"""A /metrics page: what is asked for of it, read without the rest, and quantiles out of its histograms.

Formats: Prometheus text 0.0.4 and 1.0 and OpenMetrics 1.0, names in UTF-8 included, by prometheus_client's parsers. Those are
pure Python and take milliseconds for a crooked line, so only the lines of wanted metrics reach them, short ones, and not for
longer than agreed. Source: Prometheus, "UTF-8 in Prometheus" (quoted names), "Escaping schemes" (those of older clients).
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_fd_to_metric_families as openmetrics
from prometheus_client.parser import text_fd_to_metric_families as prometheus

from app.net.exchange import Response

ACCEPT = (
    "text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.9,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.8,application/openmetrics-text;version=0.0.1;q=0.7,*/*;q=0.1"
)
PLAIN = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")  # names that need no quotes
PARTS = ("_total", "_bucket", "_count", "_sum")
MAX_LINE = 4096  # bytes of a line
MAX_LINES = 5000  # lines


def families(response: Response, names: Sequence[str], until: float) -> list[Metric]:
    """The page's metric families that these names are of, or samples in. Raises ValueError that says what is wrong.

    until: time.monotonic() at which reading ends.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "text/plain", "application/openmetrics-text"):
        raise ValueError(f"the page is {kind[:80]}, neither Prometheus' text format nor OpenMetrics")
    if response.truncated:
        raise ValueError(f"the page is longer than {len(response.body)} bytes; raise max_bytes")
    is_open = kind == "application/openmetrics-text"
    if is_open and not response.body.endswith((b"# EOF\n", b"# EOF")):
        raise ValueError("the page is truncated: its last line is not # EOF")
    names_on_page = {_escaped(name, _escaping(response)): name for name in names if not PLAIN.fullmatch(name)}
    lines = _matching_lines(response.body, [*names, *names_on_page], until)
    try:
        read: Callable[[Iterator[str]], Iterable[Metric]] = openmetrics if is_open else prometheus  # type: ignore[assignment]
        return [_renamed(one, names_on_page) for one in read(_with_eof(lines) if is_open else lines)]
    except _Stopped:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:  # the parsers fail on malformed pages
        raise ValueError(f"the page is malformed: {str(error)[:200] or type(error).__name__}") from None


class _Stopped(ValueError):
    """We read no further."""


def _matching_lines(body: bytes, names: Sequence[str], until: float) -> Iterator[str]:
    bases = {name.removesuffix(part) if name.endswith(part) else name for name in names for part in ("", *PARTS)}
    known = "|".join(re.escape(name) for name in sorted(bases) if PLAIN.fullmatch(name)) or "(?!)"
    quoted = "|".join(re.escape(_in_quotes(name)) for name in sorted(bases))
    part = f"(?:{'|'.join(PARTS)})?"
    plain_line = rf"(?:# TYPE )?(?:{known}){part}(?=[{{ \t])"
    quoted_line = rf"""(?:# TYPE |\{{[ \t]*)"(?:{quoted}){part}"(?=[ \t,}}])"""
    line = re.compile(f"^(?:{plain_line}|{quoted_line}).*$".encode(), re.MULTILINE)
    for count, found in enumerate(line.finditer(body)):
        if count >= MAX_LINES:
            raise _Stopped(f"more than {MAX_LINES} lines of the selected metrics; select fewer")
        if len(found[0]) > MAX_LINE:
            raise _Stopped(f"a line of the page is longer than {MAX_LINE} bytes")
        if time.monotonic() > until:
            raise _Stopped(f"the page was not read in time: {count} lines so far")
        yield found[0].decode(errors="replace").rstrip("\r") + "\n"


def _in_quotes(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escaping(response: Response) -> str:
    """How the page writes names that are not plain; `underscores` is the default of clients."""
    parameters = (one.partition("=") for one in response.headers.get("content-type", "").split(";")[1:])
    return next((value.strip() for name, _, value in parameters if name.strip().lower() == "escaping"), "underscores")


def _escaped(name: str, scheme: str) -> str:
    """A name as a client writes it that may not use UTF-8."""
    if scheme == "allow-utf-8":
        return name
    if scheme == "values":
        return "U__" + "".join(
            "__" if char == "_" else char if _is_plain(char, at) else f"_{ord(char):x}_" for at, char in enumerate(name)
        )
    if scheme == "dots":
        return "".join(
            {"_": "__", ".": "_dot_"}.get(char, char if _is_plain(char, at) else "__") for at, char in enumerate(name)
        )
    return "".join(char if _is_plain(char, at) else "_" for at, char in enumerate(name))


def _is_plain(char: str, at: int) -> bool:
    return PLAIN.fullmatch(char if at == 0 else f"_{char}") is not None


def _renamed(family: Metric, names_on_page: Mapping[str, str]) -> Metric:
    """The family under the name it was asked for by; `names_on_page`: name on the page -> name asked for."""
    for page_name, name in names_on_page.items():
        if page_name != name and family.name.startswith(page_name) and family.name[len(page_name) :] in ("", *PARTS):
            family.samples = [
                one._replace(name=name + one.name[len(page_name) :]) if one.name.startswith(page_name) else one
                for one in family.samples
            ]
            family.name = name + family.name[len(page_name) :]
            break
    return family


def _with_eof(lines: Iterable[str]) -> Iterator[str]:
    yield from lines
    yield "# EOF\n"


def quantile(wanted: float, buckets: Mapping[float, float]) -> float | None:
    """The value below which a share of what fell into the buckets lies, by a straight line through its bucket.

    buckets: upper bound -> count of everything up to it, `inf` included. None without it or without a count. What lies
    beyond the last finite bound is that bound. Source: Prometheus, `histogram_quantile()`.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf or not buckets[math.inf] > 0:
        return None
    counts: list[float] = []
    for bound in bounds:  # a scrape amid an observation may see a larger bucket before it has grown
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    rank = wanted * counts[-1]
    at = next(index for index, count in enumerate(counts) if count >= rank)
    if at == len(bounds) - 1:
        return bounds[-2]
    if at == 0 and bounds[0] <= 0:
        return bounds[0]
    start, before = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    inside = counts[at] - before
    return start + (bounds[at] - start) * ((rank - before) / inside) if inside else start
