"""The charts of the pages as Vega-Lite specifications: data, no drawing.

Each is drawn for a desk and for a phone, and the page shows the one that fits. Colors are the
page's own variables, so that one drawing serves light and dark. The `description` of each mark is
what a screen reader says and what shows when it is pointed at: never a number without its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecompile.evaluate.evidence import Evidence
from edgecompile.evaluate.metrics import Metric
from edgecompile.report.html.pareto import Point, pareto_front, points_of
from edgecompile.report.stages import path_to
from edgecompile.report.words import metric_words, points_words

Spec = dict[str, Any]

FONT = "Liberation Sans"
"""Comes with the library that draws, so that text is as wide on every machine."""
WIDTHS = {"desk": 560, "phone": 150}
"""Pixels of the plot itself, between its labels."""
LABELS = {"desk": 240, "phone": 105}
"""Pixels of a label at most; a longer one is cut and ends in an ellipsis."""
_ROW = 42
_MOST_OPERATORS = 15

_CONFIG: Spec = {
    "font": FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "legend": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
        "labelLimit": 300,
        "columnPadding": 24,
    },
}


def target_charts(facts: Mapping[str, Any]) -> dict[str, dict[str, Spec]]:
    """By name the charts of a target's page, each for a desk and for a phone."""
    metric = Metric(**facts["metric"])
    return {
        "waterfall": _both(waterfall, facts["stages"], metric),
        **_sensitivities(facts["compression"]),
    } | ({"placement": _both(placement, facts["result"])} if facts["result"]["operators"] else {})


def summary_charts(facts: Mapping[str, Any]) -> dict[str, dict[str, Spec]]:
    """By name the charts of the page about all targets."""
    metric = Metric(**facts["metric"])
    charts = _sensitivities(facts["compression"])
    if any(row["target"] and row["metric"] is not None for row in facts["stages"]):
        charts["losses"] = _both(losses, facts["stages"])
    for quantity in ("size", "latency", "energy"):
        points = points_of(facts["results"], facts["stages"], quantity)
        if points:
            charts[quantity] = _both(pareto, points, metric, quantity)
    return charts


def _sensitivities(compression: Mapping[str, Any]) -> dict[str, dict[str, Spec]]:
    return {
        f"sensitivity {step}": _both(sensitivity, account["sensitivity"])
        for step, account in compression.items()
        if account.get("sensitivity")
    }


def _both(draw: Any, *arguments: Any) -> dict[str, Spec]:
    return {form: draw(*arguments, form) for form in WIDTHS}


def _chart(form: str, rows: Sequence[Any], layers: Sequence[Spec], height: int) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": _CONFIG,
        "width": WIDTHS[form],
        "height": height,
        "padding": 6,
        "data": {"values": list(rows)},
        "layer": list(layers),
    }


def _rows_axis(field: str, form: str, order: Sequence[str] | None = None) -> Spec:
    """One row for each value, in that order or in that of the data."""
    axis = {"labelLimit": LABELS[form], "title": None, "ticks": False, "domain": False}
    return {"field": field, "type": "nominal", "sort": order, "axis": {**axis, "labelPadding": 8}}


def _beside(form: str, field: str, **more: Any) -> Spec:
    """Text in a column to the right of the plot."""
    mark = {"type": "text", "align": "left", "aria": False, "color": "var(--fg)"}
    mark["fontSize"] = 12 if form == "desk" else 11
    return {
        "mark": {**mark, **more},
        "encoding": {"x": {"value": WIDTHS[form] + 10}, "text": {"field": field}},
    }


def waterfall(stages: Sequence[Mapping[str, Any]], metric: Metric, form: str) -> Spec:
    """What each step changed between a bar for the PyTorch module and one for the artifact."""
    unit = 100.0 if metric.points == 100.0 else 1.0
    measured = [row["metric"] * unit for row in stages if row["metric"] is not None]
    low, high = min(measured, default=0.0), max(measured, default=1.0)
    span = max(high - low, unit / metric.points)
    floor = low - span / 2
    rows: list[Spec] = []
    before: float | None = None
    for row in stages:
        value = None if row["metric"] is None else row["metric"] * unit
        words = {"figures": _figures(row, metric), "evidence": _evidence(row)}
        said = f"{step_name(row)}: {words['figures']}; {words['evidence']}"
        start = floor if before is None else before
        kind = "whole" if before is None else _kind(row)
        rows.append(
            {"step": step_name(row), "value": value, "from": start, "kind": kind, "said": said}
            | words
        )
        before = value if value is not None else before
    if len(stages) > 1 and stages[-1]["metric"] is not None:
        end = metric_words(stages[-1]["metric"], metric)
        words = {"figures": end, "evidence": _evidence(stages[-1])}
        said = f"artifact: {end}; {words['evidence']}"
        rows.append(
            {"step": "artifact", "value": before, "from": floor, "kind": "whole", "said": said}
            | words
        )
    y = _rows_axis("step", form)
    domain = [floor, high + span / 4]
    x = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": domain, "nice": False, "zero": False},
        "axis": {"title": f"{metric.name}, %" if unit == 100 else metric.name, "tickCount": 4},
    }
    kinds = ["whole", "lost", "gained"]
    colors = ["var(--bar)", "var(--lost)", "var(--gained)"]
    color = {"field": "kind", "scale": {"domain": kinds, "range": colors}, "legend": None}
    layers = [
        {
            "mark": {"type": "bar", "height": 20},
            "encoding": {"x": x, "x2": {"field": "from"}, "color": color, "description": _SAID},
        },
        {
            "mark": {"type": "tick", "thickness": 3, "height": 26, "color": "var(--fg)"},
            "encoding": {"x": x, "description": _SAID},
        },
        _beside(form, "figures", dy=-7),
        _beside(form, "evidence", dy=8, color="var(--muted)", fontSize=11),
    ]
    chart = _chart(form, rows, layers, _ROW * len(rows))
    return {**chart, "encoding": {"y": y}}


_SAID = {"field": "said", "type": "nominal"}


def step_name(row: Mapping[str, Any]) -> str:
    """``quantize[affine]``; ``lower`` without its target, which the page is about."""
    return str(row["stage"] if row["stage"] in {"pytorch", "lower"} else row["step"])


def _kind(row: Mapping[str, Any]) -> str:
    return "lost" if (row["delta_previous"] or 0) < 0 else "gained"


def _figures(row: Mapping[str, Any], metric: Metric) -> str:
    if row["metric"] is None:
        return "not measured"
    change = row["delta_previous"]
    value = metric_words(row["metric"], metric)
    return value if change is None else f"{value} ({points_words(change)})"


def _evidence(row: Mapping[str, Any]) -> str:
    if row["metric"] is None:
        return ""
    some = row["samples"] != row["all_samples"]
    return f"{row['evidence']}, {row['samples']:,} samples" if some else str(row["evidence"])


def sensitivity(rows: Sequence[Mapping[str, Any]], form: str) -> Spec:
    """Each operator by itself quantized: the shorter the bar, the more it costs."""
    shown = [row for row in rows if row["sqnr_db"] is not None][:_MOST_OPERATORS]
    values = []
    for row in shown:
        where = row["source"] or row["node"]
        figures = f"{row['sqnr_db']:.1f} dB"
        if row["lost_points"] is not None:
            figures += f", {points_words(-row['lost_points'])}"
        name = f"{row['op_type']} {row['module'] or row['node']}"
        said = f"{name}, {where}: {figures} points; graph, calibration data"
        values.append({"operator": name, "db": row["sqnr_db"], "figures": figures, "said": said})
    x = {"field": "db", "type": "quantitative", "axis": {"title": "SQNR, dB", "tickCount": 4}}
    layers = [
        {
            "mark": {"type": "bar", "height": 18, "color": "var(--bar)"},
            "encoding": {"x": x, "description": _SAID},
        },
        _beside(form, "figures"),
    ]
    chart = _chart(form, values, layers, 30 * len(values))
    return {**chart, "encoding": {"y": _rows_axis("operator", form)}}


NOT_TOLD = "not told before it runs"
"""Where an operator runs, when the toolchain says nothing about a file."""


def placement(result: Mapping[str, Any], form: str) -> Spec:
    """How many of each operator the artifact holds, and where they are expected to run."""
    counts: dict[tuple[str, str, bool], int] = {}
    for fate in result["placement"]:
        key = (fate["operator"], fate["status"], fate["accelerated"])
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        most_first = sorted(result["operators"].items(), key=lambda item: (-item[1], item[0]))
        counts = {(name, NOT_TOLD, True): count for name, count in most_first}
    evidence = "estimate" if result["placement"] else "counted in the artifact"
    rows: list[Spec] = [
        {
            "operator": operator,
            "where": status,
            "count": count,
            "said": f"{count} {operator}: {status}; {evidence}",
        }
        for (operator, status, _), count in counts.items()
    ]
    wheres = {where: accelerated for _, where, accelerated in counts}
    palette = {True: ["var(--bar)", "var(--c1)"], False: ["var(--lost)", "var(--c2)", "var(--c3)"]}
    colors = [palette[on][i % len(palette[on])] for i, on in enumerate(wheres.values())]
    color = {
        "field": "where",
        "type": "nominal",
        "scale": {"domain": list(wheres), "range": colors},
        "legend": {"title": None, "columns": 1} if result["placement"] else None,
    }
    x = {
        "field": "count",
        "type": "quantitative",
        "axis": {"title": "operators", "tickMinStep": 1, "format": "d", "tickCount": 4},
    }
    bar = {
        "mark": {"type": "bar", "height": 16},
        "encoding": {"x": x, "color": color, "description": _SAID},
    }
    operators = len(dict.fromkeys(row["operator"] for row in rows))
    chart = _chart(form, rows, [bar], 26 * operators)
    return {**chart, "encoding": {"y": _rows_axis("operator", form)}}


_STAGES = ("prune", "export", "simplify", "quantize", "lower", "spike")
"""In the order of their colors."""


def losses(stages: Sequence[Mapping[str, Any]], form: str) -> Spec:
    """For each target the points that each step changed, and a tick at their sum."""
    rows: list[Spec] = []
    totals: list[Spec] = []
    for target in (row for row in stages if row["target"] and row["metric"] is not None):
        evidence = _evidence(target)
        total = points_words(target["delta_baseline"])
        name = target["target"]
        totals.append(
            {
                "target": name,
                "total": target["delta_baseline"],
                "figures": f"{total} points",
                "evidence": evidence,
                "said": f"{name}: {total} points against PyTorch; {evidence}",
            }
        )
        rows += [
            {
                "target": name,
                "stage": row["stage"],
                "order": _STAGES.index(row["stage"]),
                "points": row["delta_previous"],
                "said": f"{name}, {row['step']}: {points_words(row['delta_previous'])} points; "
                f"{_evidence(row)}",
            }
            for row in path_to(stages, target)
            if row["delta_previous"]
        ]
    present = [stage for stage in _STAGES if any(row["stage"] == stage for row in rows)]
    ends = [abs(t["total"]) for t in totals] + [abs(row["points"]) for row in rows]
    reach = max([1.0, *ends]) * 1.1
    axis = {"title": "points of the metric against PyTorch", "tickCount": 4}
    scale = {"domain": [-reach, reach], "nice": False}
    color = {
        "field": "stage",
        "type": "nominal",
        "scale": {
            "domain": present,
            "range": [f"var(--c{_STAGES.index(stage)})" for stage in present],
        },
        "legend": {"title": None, "columns": 3 if form == "phone" else 6} if present else None,
    }
    bars = {
        "mark": {"type": "bar", "height": 16},
        "data": {"values": rows},
        "encoding": {
            "x": {"field": "points", "type": "quantitative", "axis": axis, "scale": scale},
            "color": color,
            "order": {"field": "order", "type": "quantitative"},
            "description": _SAID,
        },
    }
    ticks = {
        "mark": {"type": "tick", "thickness": 3, "height": 24, "color": "var(--fg)"},
        "encoding": {
            "x": {"field": "total", "type": "quantitative", "axis": axis, "scale": scale},
            "description": _SAID,
        },
    }
    layers: list[Spec] = [
        *([bars] if rows else []),
        ticks,
        _beside(form, "figures", dy=-7),
        _beside(form, "evidence", dy=8, color="var(--muted)", fontSize=11),
    ]
    chart = _chart(form, totals, layers, _ROW * len(totals))
    order = [total["target"] for total in totals]
    return {**chart, "encoding": {"y": _rows_axis("target", form, order)}}


_AXIS = {
    "size": "size of the artifact, kB",
    "latency": "latency, ms: an estimate",
    "energy": "energy of one inference, mJ: an estimate",
}


_SHAPES = {
    Evidence.DEVICE: "cross",
    Evidence.VENDOR_RUNTIME: "circle",
    Evidence.VENDOR_EMULATOR: "square",
    Evidence.ISA_EMULATOR: "triangle-down",
    Evidence.REFERENCE: "triangle-up",
    Evidence.GRAPH: "diamond",
    Evidence.PYTORCH: "wedge",
    Evidence.ESTIMATE: "stroke",
}
"""Of points, so that color is not all that tells levels of evidence apart."""


def pareto(points: Sequence[Point], metric: Metric, quantity: str, form: str) -> Spec:
    """The metric against what it costs; a line through the targets that no other one beats."""
    unit = 100.0 if metric.points == 100.0 else 1.0
    front = pareto_front(points, metric)
    rows: list[Spec] = []
    for point in points:
        value = metric_words(point.metric, metric)
        rows.append(
            {
                "cost": point.low,
                "high": point.high if point.high is not None else point.low,
                "metric": point.metric * unit,
                "evidence": point.evidence,
                "name": _label(point.targets) if point in front else "",
                "said": f"{', '.join(point.targets)}: {value} ({point.evidence}), "
                f"{point.words(quantity)}",
            }
        )
    costs = [row["cost"] for row in rows] + [row["high"] for row in rows]
    log = min(costs) > 0 and max(costs) / min(costs) > 8
    values = [row["metric"] for row in rows]
    span = max(max(values) - min(values), unit / metric.points)
    y = {
        "field": "metric",
        "type": "quantitative",
        "scale": {
            "domain": [min(values) - span * 0.3, max(values) + span * 0.45],
            "zero": False,
            "nice": False,
        },
        "axis": {"title": f"{metric.name}, %" if unit == 100 else metric.name, "tickCount": 5},
    }
    x = {
        "field": "cost",
        "type": "quantitative",
        "scale": {"type": "log"} if log else {"zero": False, "nice": True, "padding": 30},
        "axis": {"title": _AXIS[quantity], "tickCount": 5 if form == "desk" else 3},
    }
    levels = [str(e) for e in Evidence if any(row["evidence"] == e for row in rows)]
    line = [row for row in rows if row["name"]]
    line = sorted(line, key=lambda row: row["cost"])
    color = {
        "field": "evidence",
        "type": "nominal",
        "scale": {"domain": levels, "range": [f"var(--e-{level})" for level in levels]},
        "legend": {"title": "evidence of the accuracy", "columns": 1 if form == "phone" else 4},
    }
    shape = {
        "field": "evidence",
        "type": "nominal",
        "scale": {"domain": levels, "range": [_SHAPES[Evidence(level)] for level in levels]},
    }
    encoding = {"x": x, "y": y}
    layers: list[Spec] = [
        {
            "mark": {
                "type": "line",
                "interpolate": "step-after",
                "color": "var(--muted)",
                "strokeDash": [4, 3],
                "aria": False,
            },
            "data": {"values": line},
            "encoding": encoding,
        },
        {
            "mark": {"type": "rule", "color": "var(--muted)", "aria": False},
            "encoding": {**encoding, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
            "encoding": {**encoding, "color": color, "shape": shape, "description": _SAID},
        },
        {
            "mark": {
                "type": "text",
                "dy": -13,
                "color": "var(--fg)",
                "aria": False,
                "fontSize": 11,
                "limit": 150 if form == "desk" else 110,
            },
            "encoding": {**encoding, "text": {"field": "name"}},
        },
    ]
    chart = _chart(form, rows, layers, 260)
    # No column of words beside this one: the plot may take its place.
    return {**chart, "width": WIDTHS[form] + (250 if form == "desk" else 105)}


def _label(targets: Sequence[str]) -> str:
    more = len(targets) - 1
    return f"{targets[0]} +{more}" if more else targets[0]
