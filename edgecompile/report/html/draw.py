"""A step: specifications of charts -> SVG.

Drawn here and not by a script in the page: the library that draws takes 0.9 MB in each file, its
drawings a few kB each, and a page of text and drawings needs no script to be read or printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompile.digest import canonical_json

CHARTS = "charts.json"
_VEGA_LITE = "6.4"


def draw_charts(
    inputs: Mapping[str, Path], parameters: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """`charts`, by name and by form a Vega-Lite specification -> charts.json, the same with SVG."""
    import vl_convert

    drawn = {
        name: {
            # No data from anywhere: what is drawn is in the specification.
            form: vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE, allowed_base_urls=[])
            for form, spec in forms.items()
        }
        for name, forms in parameters["charts"].items()
    }
    (folder / CHARTS).write_bytes(canonical_json(drawn))
    return {}
