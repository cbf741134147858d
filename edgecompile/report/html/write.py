"""A step: facts and drawings -> one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompile.evaluate.evidence import Evidence
from edgecompile.evaluate.metrics import Metric
from edgecompile.report.html.charts import NOT_TOLD, step_name
from edgecompile.report.html.pareto import estimate_of
from edgecompile.report.words import (
    SOME_SAMPLES,
    decibel_words,
    estimate_figures,
    kernel_words,
    measured_words,
    metric_words,
    points_words,
    samples_words,
    size_words,
)

PAGE = "page.html"

MEANINGS = {
    Evidence.DEVICE: "measured on the real silicon",
    Evidence.VENDOR_RUNTIME: "the runtime that ships on the device, executed on a CPU here",
    Evidence.VENDOR_EMULATOR: "the vendor's emulator of the device",
    Evidence.ISA_EMULATOR: "the device's binary, under an emulator of its instruction set",
    Evidence.REFERENCE: "our interpreter of the saved artifact",
    Evidence.GRAPH: "ONNX Runtime on the hub, its optimizations off: what the hub says",
    Evidence.PYTORCH: "the PyTorch module: the baseline that losses are counted from",
    Evidence.ESTIMATE: "computed from a model of the device, never measured",
}
COUNTED = "counted"
"""Not a level of evidence: what anybody can count in the file itself."""


def write_page(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """`template` of the folder `templates` with `facts` and the drawings of `charts` -> page.html.

    Whatever the facts hold, names and messages are text on the page, never markup.
    """
    import jinja2
    from markupsafe import Markup

    templates = inputs["templates"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _filters(Metric(**parameters["facts"]["metric"]))
    environment.globals["some_samples"] = SOME_SAMPLES
    script = (templates / "page.js").read_text(encoding="utf-8")
    drawn = json.loads(inputs["charts"].read_bytes())
    page = environment.get_template(parameters["template"]).render(
        parameters["facts"],
        charts={name: {f: Markup(svg) for f, svg in c.items()} for name, c in drawn.items()},  # noqa: S704 (drawn by the step before)
        style=Markup((templates / "style.css").read_text(encoding="utf-8")),  # noqa: S704 (ours)
        script=Markup(script),  # noqa: S704 (ours)
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        meanings={str(level): words for level, words in MEANINGS.items()},
        counted=COUNTED,
        not_told=NOT_TOLD,
    )
    (folder / PAGE).write_bytes(page.encode())
    return {}


def _filters(metric: Metric) -> dict[str, Any]:
    return {
        "metric": lambda value: metric_words(value, metric),
        "points": points_words,
        "decibel": decibel_words,
        "kilobytes": size_words,
        "samples": lambda row: samples_words(row["samples"], row["all_samples"]),
        "kernels": kernel_words,
        "measured": lambda found: measured_words(found["value"]),
        "figures": lambda found: estimate_figures(found["low"], found["high"]),
        "step": step_name,
        "estimate_of": estimate_of,
        "linked": linked,
        "pretty": lambda value: json.dumps(value, indent=2, sort_keys=True),
    }


_ADDRESS = re.compile(r"https?://[^\s<>\"'()]+[^\s<>\"'().,;:]")


def linked(text: str) -> Any:
    """The text with its web addresses as links."""
    from markupsafe import Markup, escape

    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        parts.append(escape(text[end : found.start()]))
        link = Markup('<a href="{0}" rel="noreferrer">{0}</a>')
        parts.append(link.format(found[0]))
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
