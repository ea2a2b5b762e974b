"""Panels as Bokeh figures: one shared time axis, fault windows shaded, nothing shown by colour alone.

Text, grid and axis colours are left to the page's style sheet, which Bokeh
reads from `--bk-*` variables, so that the charts follow the reader's scheme;
the curves' own colours are chosen to stand out on white and on near-black.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.embed import components
from bokeh.models import (
    AdaptiveTicker,
    ColumnDataSource,
    CrosshairTool,
    CustomJSHover,
    CustomJSTickFormatter,
    HoverTool,
    Label,
    Legend,
    LegendItem,
    Range1d,
    Span,
)
from bokeh.plotting import figure
from bokeh.resources import Resources

from reports.page.curves import Panel
from reports.page.marks import Marks, Period

# At least 3:1 against both backgrounds, and distinct for the colour-blind (after Okabe and Ito); dashes help too.
_COLOURS = ("#2f7fc1", "#d1661f", "#1f9a76", "#b4619c", "#8c7a12", "#c8453f", "#6d73c9", "#3c96a8")
_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")
_HATCHES = ("/", ".", "\\", "-", "x", "|", "+", "o")
_FAULT_COLOUR = "#d08a1d"
_FONT = "system-ui, sans-serif"

# `value` in, text out; the same words as harness.units uses.
_FORMATS = {
    "seconds": "const a = Math.abs(value); return a == 0 ? '0 s' : a < 0.9995 ?"
    " +(value * 1e3).toPrecision(3) + ' ms' : +value.toPrecision(4) + ' s'",
    "bytes": "const a = Math.abs(value); return a >= 1e9 ? +(value / 1e9).toPrecision(5) + ' GB' :"
    " a >= 1e6 ? +(value / 1e6).toPrecision(5) + ' MB' : +(value / 1e3).toPrecision(4) + ' kB'",
    "per_s": "return +value.toPrecision(4) + ' /s'",
    "cores": "return +value.toPrecision(3)",
    "count": "return +value.toPrecision(6)",
}
_ELAPSED = (
    "const s = Math.floor(Math.abs(value)), two = n => String(n).padStart(2, '0'), h = Math.floor(s / 3600),"
    " m = Math.floor(s / 60) % 60, tail = ':' + two(s % 60);"
    " return (value < 0 ? '-' : '') + (h ? h + ':' + two(m) : m) + tail"
)
# A flat line must look flat: no axis shows less than this.
_LEAST_SPAN = {"bytes": 4e6, "cores": 0.05, "count": 4.0, "per_s": 2.0, "seconds": 1e-3}
_LOG_FLOOR_S = 1e-5


def draw(panels: Sequence[Panel], marks: Marks) -> tuple[str, list[str]]:
    """Return the script that draws everything, and one HTML element for the timeline and each panel, in order."""
    time_axis = Range1d(0.0, marks.end_s, bounds=(-0.05 * marks.end_s, 1.05 * marks.end_s))
    crosshair = Span(dimension="height", line_color="#8a8f98", line_width=1, line_dash="dotted")
    figures = [_timeline(marks, time_axis), *(_figure(panel, marks, time_axis) for panel in panels)]
    for one in figures:
        one.add_tools(CrosshairTool(overlay=crosshair))
    document = Document()
    # Each root added by itself would have every model of all the others searched again.
    with document.models.freeze():
        for one in figures:
            document.add_root(one)
    script, elements = components(figures)
    return script, list(elements)


def library() -> str:
    """Return Bokeh's JavaScript as installed, to be put into the page itself."""
    return "\n".join(Resources(mode="inline", components=["bokeh"], minified=True, log_level="warn").js_raw)


def _blank(title: str, time_axis: Any, height: int, **options: Any) -> Any:
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        x_range=time_axis,
        tools="xbox_zoom,xpan,xwheel_zoom,reset,save",
        active_drag="xbox_zoom",
        toolbar_location="right",
        min_border_left=64,
        outline_line_color=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        **options,
    )
    plot.name = title
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.xaxis.ticker = AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, desired_num_ticks=7)
    plot.xaxis.formatter = _formatter(_ELAPSED)
    plot.xgrid.grid_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font = _FONT
    plot.axis.major_label_text_font_size = "12px"
    return plot


def _timeline(marks: Marks, time_axis: Any) -> Any:
    rows = marks.rows or ["no faults"]
    plot = _blank("Timeline", time_axis, 60 + 30 * len(rows), y_range=rows[::-1])
    plot.ygrid.grid_line_color = None
    for marked, colour, alpha in ((marks.phases, "#8a8f98", 0.25), (marks.faults, _FAULT_COLOUR, 0.75)):
        is_phase = marked is marks.phases
        source = _mark_source(marked, ["phase"] * len(marked) if is_phase else [mark.name for mark in marked])
        bars = plot.hbar(
            y="row", left="begin", right="end", height=0.7, source=source,
            fill_color=colour, fill_alpha=alpha, line_color=colour,
        )  # fmt: skip
        plot.add_tools(_hover([bars], [("", "@name @note"), ("from", "@begin{x}"), ("to", "@end{x}")], begin=_ELAPSED))
    for mark in marks.phases:
        # A name wider than its phase would run into the next one; the hover still shows it.
        if mark.end_s - mark.begin_s >= 0.012 * len(mark.name) * marks.end_s:
            plot.add_layout(_text(mark, y=len(rows) - 0.5, x_offset=5, text_baseline="middle"))
    return plot


def _figure(panel: Panel, marks: Marks, time_axis: Any) -> Any:
    options = {"y_axis_type": "log"} if panel.log else {}
    plot = _blank(panel.title, time_axis, 260, **options)
    plot.yaxis.formatter = _formatter(_FORMATS[panel.unit])
    if not panel.log:
        plot.y_range.min_interval = _LEAST_SPAN[panel.unit]
        if panel.unit != "bytes":
            plot.y_range.start = 0
    _shade(plot, marks)
    items = _areas(plot, panel) if panel.stacked else [_curve(plot, panel, n) for n in range(len(panel.lines))]
    if len(items) > 1 or panel.stacked:
        plot.add_layout(_legend(items), "above")
    return plot


def _curve(plot: Any, panel: Panel, n: int) -> tuple[str, list[Any]]:
    line = panel.lines[n]
    values = np.maximum(line.values, _LOG_FLOOR_S) if panel.log else line.values
    drawn = plot.line(
        "t", "v",
        source=ColumnDataSource({"t": line.t_s, "v": values}),
        line_color=_COLOURS[n % len(_COLOURS)],
        line_dash=_DASHES[n % len(_DASHES)] if len(panel.lines) > 1 else "solid",
        line_width=1.7, line_cap="round", line_join="round",
    )  # fmt: skip
    plot.add_tools(_hover([drawn], [(_plain(line.name), "@v{x}"), ("at", "@t{x}")], t=_ELAPSED, v=_FORMATS[panel.unit]))
    return line.name, [drawn]


def _areas(plot: Any, panel: Panel) -> list[tuple[str, list[Any]]]:
    """Draw the lines on top of each other as steps: a count belongs to the whole tick before it."""
    data: dict[str, Any] = {"t": panel.lines[0].t_s, "y0": np.zeros(len(panel.lines[0].t_s))}
    for n, line in enumerate(panel.lines, start=1):
        data |= {f"v{n}": line.values, f"y{n}": data[f"y{n - 1}"] + line.values}
    source = ColumnDataSource(data)
    items = []
    for n, line in enumerate(panel.lines):
        colour = _COLOURS[n % len(_COLOURS)]
        area = plot.varea_step(
            x="t", y1=f"y{n}", y2=f"y{n + 1}", source=source, step_mode="before",
            fill_color=colour, fill_alpha=0.55, hatch_pattern=_HATCHES[n % len(_HATCHES)],
            hatch_color=colour, hatch_alpha=0.9, hatch_scale=8,
        )  # fmt: skip
        items.append((line.name, [area]))
    tops = plot.scatter("t", f"y{len(panel.lines)}", source=source, size=1, alpha=0)
    note = [(_plain(line.name), f"@v{n}{{x}}") for n, line in enumerate(panel.lines, start=1)]
    formats = {f"v{n}": _FORMATS[panel.unit] for n in range(1, len(panel.lines) + 1)}
    plot.add_tools(_hover([tops], [*note, ("at", "@t{x}")], t=_ELAPSED, **formats))
    return items


def _shade(plot: Any, marks: Marks) -> None:
    """Shade the faults, name them where there is room, and draw a line where each phase begins."""
    if marks.faults:
        plot.vstrip(
            x0="begin", x1="end", source=_mark_source(marks.faults, [""] * len(marks.faults)),
            fill_color=_FAULT_COLOUR, fill_alpha=0.16, line_color=_FAULT_COLOUR, line_alpha=0.5,
        )  # fmt: skip
    for mark in marks.faults if marks.labelled else ():
        plot.add_layout(_text(mark, y=6, y_units="screen", x_offset=4, angle=np.pi / 2, text_baseline="top"))
    for phase in marks.phases[1:]:
        plot.add_layout(Span(location=phase.begin_s, dimension="height", line_dash="4 4", line_color="#8a8f98"))


def _mark_source(marked: Sequence[Period], rows: list[str]) -> Any:
    columns: dict[str, Any] = {"row": rows, "name": [m.name for m in marked], "note": [m.note for m in marked]}
    columns |= {"begin": [m.begin_s for m in marked], "end": [m.end_s for m in marked]}
    return ColumnDataSource(columns)


def _text(mark: Period, **options: Any) -> Any:
    return Label(x=mark.begin_s, text=mark.name, text_font=_FONT, text_font_size="11px", **options)


def _legend(items: list[tuple[str, list[Any]]]) -> Any:
    return Legend(
        items=[LegendItem(label={"value": name}, renderers=drawn) for name, drawn in items],
        orientation="horizontal",
        ncols=min(len(items), 4),
        click_policy="hide",
        label_text_font=_FONT,
        label_text_font_size="12px",
        background_fill_alpha=0,
        border_line_color=None,
        padding=2,
        margin=4,
    )


def _hover(drawn: list[Any], note: list[tuple[str, str]], **formats: str) -> Any:
    """Return a hover of some columns, each with its own words; a column `end` is shown as `begin` is."""
    if "begin" in formats:
        formats["end"] = formats["begin"]
    return HoverTool(
        renderers=drawn,
        tooltips=note,
        formatters={f"@{column}": CustomJSHover(code=code) for column, code in formats.items()},
        mode="mouse" if "begin" in formats else "vline",
        visible=False,
    )


def _formatter(code: str) -> Any:
    return CustomJSTickFormatter(code=f"const value = tick; {code}")


def _plain(name: str) -> str:
    """Return a name that Bokeh's tooltips leave alone: they take @ and $ for columns, and make no text of HTML."""
    return html.escape(name.replace("@", "(at)").replace("$", "(dollar)"))
