"""Resize."""

from typing import Any

from edgecompile.conformance.cases.case import Case


def _resize(
    name: str, x: str, attributes: str, scales: str = "", sizes: str = "", **how: Any
) -> Case:
    if scales:
        call, constants = "x, , scales", f"float[4] scales = {{{scales}}}"
    else:
        call, constants = "x, , , sizes", f"int64[4] sizes = {{{sizes}}}"
    return Case("Resize", name, f"float[{x}] x", f"y = Resize<{attributes}>({call})", constants,
                **how)  # fmt: skip


_NEAREST = 'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"'


def _linear(coordinates: str) -> str:
    return f'mode="linear", coordinate_transformation_mode="{coordinates}"'


CASES = [
    _resize("nearest, twice", "1,3,4,5", _NEAREST, "1, 1, 2, 2"),
    _resize("nearest, to a size", "1,3,4,5", _NEAREST, sizes="1, 3, 7, 11"),
    _resize("nearest, smaller", "1,3,8,9", _NEAREST, sizes="1, 3, 3, 4"),
    *(
        _resize(f"linear, {coordinates}, {name}", x, _linear(coordinates), scales, sizes)
        for coordinates in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
        for name, x, scales, sizes in (
            ("twice", "1,3,4,5", "1, 1, 2, 2", ""),
            ("to a size", "1,3,4,5", "", "1, 3, 7, 11"),
            ("smaller", "1,3,8,9", "", "1, 3, 3, 4"),
        )
    ),
]
