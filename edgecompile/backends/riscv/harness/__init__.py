"""C around a network: the program that runs it on samples, and files for the user's own build."""

from __future__ import annotations

from importlib.resources import files

from edgecompile.backends.riscv.program import Program


def read(name: str) -> str:
    """The text of a file of this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def render(name: str, **values: object) -> str:
    """A template of this folder with `values` filled in; an unknown name in it is an error."""
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - C, not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(read(name)).render(values)


_C_TYPES = {"int8": "int8_t", "int16": "int16_t", "float32": "float"}


def buffers(program: Program) -> dict[str, list[dict[str, object]]]:
    """The inputs and outputs of `model_run` as the templates name them."""
    return {
        f"{side}s": [
            {
                "name": f"{side}{index}",
                "type": _C_TYPES[border.element_type],
                "shape": list(border.shape),
                "elements": _product(border.shape),
                "scale": border.scale,
                "zero_point": border.zero_point,
            }
            for index, border in enumerate(borders)
        ]
        for side, borders in (("input", program.inputs), ("output", program.outputs))
    }


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for dimension in shape:
        product *= dimension
    return product
