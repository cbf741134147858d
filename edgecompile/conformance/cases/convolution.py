"""Conv and ConvTranspose."""

from typing import Any

from edgecompile.conformance.cases.case import Case


def _conv(
    name: str, x: str, w: str, attributes: str = "", behind: str = "", b: int = 0, **how: Any
) -> Case:
    constants = f"float[{w}] w" + (f", float[{b}] b" if b else "")
    body = _call("Conv", attributes, b, behind)
    return Case("Conv", name, f"float[{x}] x", body, constants + how.pop("more", ""), **how)


def _transposed(
    name: str, x: str, w: str, attributes: str = "", b: int = 0, behind: str = ""
) -> Case:
    constants = f"float[{w}] w" + (f", float[{b}] b" if b else "")
    body = _call("ConvTranspose", attributes, b, behind)
    return Case("ConvTranspose", name, f"float[{x}] x", body, constants)


def _call(op: str, attributes: str, bias: int, behind: str) -> str:
    listed = f"<{attributes}>" if attributes else ""
    call = f"{op}{listed}({'x, w, b' if bias else 'x, w'})"
    return f"c = {call} y = {behind}" if behind else f"y = {call}"


CASES = [
    _conv("SAME", "1,3,9,9", "8,3,3,3", "pads=[1,1,1,1]", b=8),
    _conv("VALID without bias", "1,3,9,9", "8,3,3,3"),
    _conv("one pixel", "1,16,6,6", "8,16,1,1", b=8),
    _conv("stride 2, SAME of an even image", "1,3,8,8", "8,3,3,3", "strides=[2,2], pads=[0,0,1,1]"),
    _conv("stride 2, torch's pads", "1,3,8,8", "8,3,3,3", "strides=[2,2], pads=[1,1,1,1]", b=8),
    _conv("stride 2, pads that are SAME", "1,3,9,9", "8,3,3,3", "strides=[2,2], pads=[1,1,1,1]"),
    _conv("odd pads", "1,3,7,9", "4,3,3,5", "pads=[2,0,1,3]", b=4),
    _conv("pads larger than SAME", "1,3,6,6", "4,3,3,3", "pads=[3,3,3,3]", b=4),
    _conv("unequal strides", "1,3,10,11", "4,3,3,4", "strides=[2,3], pads=[1,2,1,2]", b=4),
    _conv("stride beyond the kernel", "1,3,9,9", "4,3,1,1", "strides=[2,2]", b=4),
    _conv("even kernel", "1,3,8,8", "4,3,4,4", "pads=[1,1,2,2]", b=4),
    _conv("dilation", "1,3,12,12", "4,3,3,3", "dilations=[2,2], pads=[2,2,2,2]", b=4),
    _conv("unequal dilation", "1,3,12,12", "4,3,3,3", "dilations=[3,1], pads=[0,1,0,1]", b=4),
    _conv("groups", "1,8,6,6", "12,2,3,3", "group=4, pads=[1,1,1,1]", b=12),
    _conv("groups of one input and stride", "1,4,6,6", "4,2,3,3", "group=2, strides=[2,2]", b=4),
    _conv("depthwise", "1,8,7,7", "8,1,3,3", "group=8, pads=[1,1,1,1]", b=8),
    _conv("depthwise without bias", "1,8,7,7", "8,1,3,3", "group=8"),
    _conv("depthwise with a multiplier", "1,4,7,7", "12,1,3,3", "group=4, pads=[1,1,1,1]", b=12),
    _conv("depthwise, odd pads", "1,4,9,5", "4,1,5,3", "group=4, strides=[2,1], pads=[4,0,1,2]"),
    _conv("depthwise, dilation", "1,4,9,9", "4,1,3,3", "group=4, dilations=[2,2]", b=4),
    _conv("one channel", "1,1,9,9", "4,1,3,3", "pads=[1,1,1,1]", b=4),
    _conv("one channel to one", "1,1,9,9", "1,1,3,3", b=1),
    _conv("the whole image", "1,4,5,5", "6,4,5,5", b=6),
    _conv("a tall kernel", "1,1,49,10", "8,1,10,4", "strides=[2,2], pads=[4,1,5,2]", b=8),
    _conv("over one dimension", "1,4,20", "8,4,3", "pads=[1,1]", b=8),
    _conv("over one dimension, odd", "1,4,21", "8,4,5", "pads=[3,1], strides=[2], dilations=[2]"),
    _conv("over one dimension, depthwise", "1,4,20", "4,1,3", "group=4, pads=[1,1]", b=4),
    _conv("over one dimension, one channel", "1,1,64", "1,1,9", "pads=[4,4]", b=1),
    _conv("Relu", "1,3,6,6", "8,3,3,3", "pads=[1,1,1,1]", "Relu(c)", b=8),
    _conv("Relu6", "1,3,6,6", "8,3,3,3", "", "Clip(c, low, six)", b=8, spread=5.0,
          more=", float low = {0}, float six = {6}"),
    _conv("Clip(-1, 1)", "1,3,6,6", "8,3,3,3", "", "Clip(c, low, high)", b=8, spread=3.0,
          more=", float low = {-1}, float high = {1}"),
    _conv("Clip(0, 3)", "1,3,6,6", "8,3,3,3", "", "Clip(c, low, high)", b=8, spread=5.0,
          more=", float low = {0}, float high = {3}"),
    _conv("Clip(-0.5, inf)", "1,3,6,6", "8,3,3,3", "", "Clip(c, low)", b=8, spread=3.0,
          more=", float low = {-0.5}"),
    _conv("Clip(-inf, 0.7)", "1,3,6,6", "8,3,3,3", "", "Clip(c, , high)", b=8, spread=3.0,
          more=", float high = {0.7}"),
    _transposed("VALID", "1,4,5,5", "4,6,3,3", "strides=[2,2]", b=6),
    _transposed("SAME", "1,4,5,5", "4,6,3,3", "strides=[2,2], pads=[0,0,1,1]", b=6),
    _transposed("stride 1, SAME", "1,4,5,5", "4,6,3,3", "pads=[1,1,1,1]"),
    _transposed("torch's pads", "1,4,5,5", "4,6,4,4", "strides=[2,2], pads=[1,1,1,1]", b=6),
    _transposed("pads that are not SAME", "1,4,5,5", "4,6,3,3", "strides=[2,2], pads=[1,1,1,1]",
                b=6),
    _transposed("output_padding", "1,4,5,5", "4,6,3,3",
                "strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]", b=6),
    _transposed("output_padding without pads", "1,4,5,5", "4,6,2,2",
                "strides=[2,2], output_padding=[1,1]", b=6),
    _transposed("uneven", "1,3,4,6", "3,5,3,4", "strides=[2,3], pads=[1,0,0,2]", b=5),
    _transposed("kernel smaller than stride", "1,3,4,4", "3,2,2,2", "strides=[3,3]", b=2),
    _transposed("one channel", "1,1,4,4", "1,1,3,3", "strides=[2,2]"),
    _transposed("Relu", "1,4,5,5", "4,6,3,3", "strides=[2,2]", 6, "Relu(c)"),
    _transposed("Relu, cut", "1,4,5,5", "4,6,3,3", "strides=[2,2], pads=[1,1,1,1]", 6, "Relu(c)"),
]  # fmt: skip
