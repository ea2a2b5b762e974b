"""One self-contained page: the verdict as plain HTML first, then the tables, then the charts.

Whatever a run wrote is escaped, and the page's own policy forbids it to fetch
anything, so that a report can be kept, mailed and opened anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.units import format_bytes, format_s
from harness.verdict import Verdict
from reports.model import RunView
from reports.page.charts import draw, library
from reports.page.curves import Panel
from reports.page.marks import read_marks

FILE_NAME = "report.html"

_TEMPLATES = Path(__file__).with_name("templates")
_SECTIONS = {
    "load": "What the users saw",
    "memory": "Memory",
    "cpu": "CPU",
    "gauges": "Other resources",
    "generator": "The load generator",
}
# A sign and a word stand beside every colour.
_SIGNS = {Verdict.PASS: "\N{CHECK MARK}", Verdict.FAIL: "\N{BALLOT X}", Verdict.INCONCLUSIVE: "?"}
# By the end of a key, the most telling first.
_UNITS: Mapping[str, Callable[[float], str]] = {
    "_bytes": format_bytes,
    "_bytes_per_request": lambda value: f"{format_bytes(value)} per request",
    "_fraction": lambda value: f"{value:.3%}",
    "_per_s": lambda value: f"{value:g} per s",
    "_s": format_s,
    "_s_p95": format_s,
}


def render(view: RunView, panels: Sequence[Panel]) -> str:
    """Return the page of a run."""
    script, elements = draw(panels, read_marks(view))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": format_s, "size": format_bytes, "value": value_text, "clock": clock_text}
    environment.globals["sign"] = _SIGNS
    titled = list(zip(panels, elements[1:], strict=True))
    sections = [
        (_SECTIONS[section], list(members)) for section, members in groupby(titled, key=lambda pair: pair[0].section)
    ]
    return environment.get_template("report.html.j2").render(
        view=view, timeline=elements[0], sections=sections, script=script, library=library()
    )


def clock_text(t_s: float) -> str:
    """Return a moment of a run as `m:ss.t` or `h:mm:ss.t`, as the time axes have it, to a tenth of a second."""
    tenths = round(abs(t_s) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{'-' if t_s < 0 else ''}{head}:{rest // 10:02d}.{rest % 10}"


def value_text(value: object, key: str = "") -> str:
    """Return a recorded value as people read it; the unit at the end of its key says how."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, ensure_ascii=False, default=str)
    for ending, text in _UNITS.items():
        if key.endswith(ending):
            return text(value)
    return f"{value:g}"
