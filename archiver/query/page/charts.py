"""The page's charts: Vega-Lite specifications, made with Altair.

Colours are the page's CSS variables, so that charts follow light, dark and print without being
drawn anew. Marks are hidden from screen readers, which get the chart's description and its table.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import altair as alt

from archiver.query.page import wording

Values: TypeAlias = Sequence[dict[str, Any]]
Spec: TypeAlias = dict[str, Any]
Span: TypeAlias = tuple[int, int]
"""Where a time axis begins and ends: milliseconds since 1970, UTC."""

_NARROW = "width < 460"
_TIME_HEIGHT = 240
_TICKS = 6
_RANK_STEP = 46
_LABEL_LENGTH = 160
_NUMBER_WIDTH = 130
_DASHES = [[1, 0], [5, 4]]

CONFIG: Spec = {
    "background": None,
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "padding": {"left": 2, "right": 8, "top": 4, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "aria": False,
        "domainColor": "var(--line-strong)",
        "gridColor": "var(--line)",
        "labelColor": "var(--text-soft)",
        "labelFontSize": 12,
        "tickColor": "var(--line-strong)",
        "titleColor": "var(--text-soft)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "legend": {
        "aria": False,
        "labelColor": "var(--text)",
        "labelFontSize": 13,
        "orient": "top",
        "symbolSize": 140,
        "symbolStrokeWidth": 2,
        "title": None,
    },
    "line": {"strokeJoin": "round", "strokeWidth": 2.25},
    "text": {"fontSize": 13, "color": "var(--text)"},
}
"""What all charts have in common."""


def stacked_over_time(
    values: Values,
    span: Span,
    bars: int,
    names: Sequence[str],
    colors: Sequence[str],
    period: str,
) -> Spec:
    """Bars on a time axis that has room for that many, cut by status.

    ``values`` have ``at`` (milliseconds, UTC), ``name``, ``place`` (of the part in the bar),
    ``runs``, ``all`` and ``period``.
    """
    width = alt.ExprRef(f"max(1, 0.88 * width / {bars})")
    chart = (
        _chart(values)
        .mark_bar(aria=False, size=width, stroke="var(--surface)", strokeWidth=0.5)
        .encode(
            _time(span),
            _runs(values),
            _color(names, colors),
            alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("period:N", title=period),
                alt.Tooltip("name:N", title="Status"),
                alt.Tooltip("runs:Q", title="Runs", format=","),
                alt.Tooltip("all:Q", title="All runs", format=","),
            ],
        )
    )
    return _spec(chart, _TIME_HEIGHT)


def lines_over_time(
    values: Values,
    span: Span,
    names: Sequence[str],
    colors: Sequence[str],
    period: str,
    title: str,
    tick: str,
) -> Spec:
    """Lines on a time axis, which break where there is no value.

    ``values`` have ``at`` (milliseconds, UTC), ``name``, ``value`` (None where there is none),
    ``text`` (the same for people), ``runs`` (of which it tells) and ``period``.
    """
    largest = max((row["value"] or 0 for row in values), default=0)
    chart = (
        _chart(values)
        .mark_line(aria=False, point=alt.OverlayMarkDef(filled=True, size=26))
        .encode(
            _time(span),
            alt.Y("value:Q")
            .axis(title=title, format=tick, tickCount=_TICKS)
            .scale(domainMin=0, domainMax=alt.Undefined if largest else 1),
            _color(names, colors, symbol="stroke"),
            *_dashes(names),
            tooltip=[
                alt.Tooltip("period:N", title=period),
                alt.Tooltip("name:N", title="What"),
                alt.Tooltip("text:N", title="Value"),
                alt.Tooltip("runs:Q", title="Runs", format=","),
            ],
        )
    )
    return _spec(chart, _TIME_HEIGHT)


def stacked_groups(
    values: Values,
    groups: Sequence[str],
    names: Sequence[str],
    colors: Sequence[str],
    title: str,
) -> Spec:
    """Bars side by side, one for each of ``groups``, cut by outcome.

    ``values`` have ``group``, ``name``, ``place`` (of the outcome in the bar), ``runs``, ``all``.
    """
    chart = (
        _chart(values)
        .mark_bar(aria=False, stroke="var(--surface)", strokeWidth=0.5)
        .encode(
            alt.X("group:O")
            .sort(None)
            .axis(
                title=title,
                labelAngle=alt.ExprRef(f"{_NARROW} ? -60 : 0"),
                labelAlign=alt.ExprRef(f"{_NARROW} ? 'right' : 'center'"),
                labelBaseline=alt.ExprRef(f"{_NARROW} ? 'middle' : 'top'"),
            )
            .scale(domain=list(groups), paddingInner=0.12),
            _runs(values),
            _color(names, colors),
            alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("group:N", title="Run time"),
                alt.Tooltip("name:N", title="Outcome"),
                alt.Tooltip("runs:Q", title="Runs", format=","),
                alt.Tooltip("all:Q", title="All runs", format=","),
            ],
        )
    )
    return _spec(chart, _TIME_HEIGHT)


def ranked(values: Values, color: str) -> Spec:
    """Bars one below the other, each under its label, which may be long.

    ``values`` have ``rank``, ``label``, ``value`` and ``text`` (the value for people).
    """
    largest = max(row["value"] for row in values)
    chart = _chart(values).encode(alt.Y("rank:O").axis(None).scale(paddingInner=0))
    tooltip = [alt.Tooltip("label:N", title="What"), alt.Tooltip("text:N", title="Value")]
    # To the right there is room for the number beside the longest bar.
    end = alt.ExprRef(f"{largest} * width / max(50, width - {_NUMBER_WIDTH})")
    x = alt.X("value:Q").axis(None).scale(domainMin=0, domainMax=end, nice=False)
    spec = alt.layer(
        chart.mark_bar(aria=False, color=color, height=16, yOffset=9, cornerRadiusEnd=2).encode(
            x, tooltip=tooltip
        ),
        chart.mark_text(
            aria=False, align="left", baseline="middle", dy=-11, limit=alt.ExprRef("width")
        ).encode(x=alt.value(0), text="label:N", tooltip=tooltip),
        chart.mark_text(
            aria=False, align="left", baseline="middle", dx=6, dy=9, fontWeight="bold"
        ).encode(x, alt.Text("text:N"), tooltip=tooltip),
    )
    return _spec(spec, len(values) * _RANK_STEP)


def label(text: str) -> str:
    """A text as a chart has it: on one line, and not longer than any screen is wide."""
    return wording.on_one_line(text, _LABEL_LENGTH)


def _chart(values: Values) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=list(values)))


def _time(span: Span) -> alt.X:
    begin, end = (alt.ExprRef(str(moment)) for moment in span)
    return (
        alt.X("at:T")
        # As expressions: plain numbers would be made dates, which layers cannot unite.
        .scale(type="utc", domainMin=begin, domainMax=end, nice=False)
        .axis(
            title=None,
            grid=False,
            labelOverlap=True,
            tickCount=alt.ExprRef(f"{_NARROW} ? 4 : 8"),
        )
    )


def _dashes(names: Sequence[str]) -> Iterator[alt.StrokeDash]:
    """Lines differ in more than their colour, where there are several."""
    if len(names) > 1:
        yield alt.StrokeDash("name:N").scale(domain=list(names), range=_DASHES[: len(names)])


def _runs(values: Values) -> alt.Y:
    """The axis that counts runs, which come whole."""
    most = max(row["all"] for row in values)
    return alt.Y("runs:Q").axis(title="runs", tickCount=min(most, _TICKS), format=",d")


def _color(names: Sequence[str], colors: Sequence[str], symbol: str = "square") -> alt.Color:
    color = alt.Color("name:N").scale(domain=list(names), range=list(colors))
    if len(names) == 1:
        return color.legend(None)
    columns = alt.ExprRef(f"{_NARROW} ? 2 : 6")
    return color.legend(symbolType=symbol, columns=columns, labelLimit=240)


def _spec(chart: alt.TopLevelMixin, height: int) -> Spec:
    """The chart as JSON, in the width of what it stands in."""
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    # The page says once for all charts how they look; a version would be compared with the script.
    del spec["config"], spec["$schema"]
    return spec
