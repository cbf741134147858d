"""A network of rates as a hub, which ONNX Runtime executes and `read_network` reads again."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from edgecompile.backends.spiking.network import INPUT, Connection, RateLayer, RateNetwork, Shape
from edgecompile.backends.spiking.reading import SCALE_KEY, SIGNED_KEY
from edgecompile.graph.hub import Array, infer_shapes
from edgecompile.graph.provenance import MODULE_KEY, SOURCE_KEY

_OPSET = 20


def write_hub(network: RateNetwork) -> ir.Model:
    """The hub of a network without maximum pools, whose activations are Clip(0, ceiling) or Relu.
    The scale of the input is in its metadata."""
    writer = _Writer(network)
    for layer in network.layers:
        writer.add_layer(layer)
    sample = network.sample_shape or network.input_shape
    graph = helper.make_graph(
        writer.nodes,
        "spiking",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *sample))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, *network.output_shape))],
        writer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    for key, value in (
        (SCALE_KEY, repr(network.input_scale)),
        (SIGNED_KEY, str(int(network.input_signed))),
    ):
        model.metadata_props.add(key=key, value=value)
    return infer_shapes(ir.from_proto(model))


class _Writer:
    """Nodes and constants, as they are added."""

    def __init__(self, network: RateNetwork) -> None:
        self.network = network
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.tensors = {INPUT: "x"}
        if len(network.sample_shape) == 1:
            self.tensors[INPUT] = self._reshape("x", network.input_shape, "image")

    def add_layer(self, layer: RateLayer) -> None:
        parts = [
            self._connection(layer, index, connection)
            for index, connection in enumerate(layer.connections)
        ]
        total = parts[0]
        for index, part in enumerate(parts[1:], start=1):
            total = self._node(layer, "Add", [total, part], f"{layer.name}.sum{index}")
        if layer is self.network.layers[-1]:
            shape = np.array([1, *self.network.output_shape], np.int64)
            self._node(layer, "Reshape", [total, self._constant("y.shape", shape)], "y")
        elif layer.ceiling is None:
            self.tensors[layer.name] = self._node(layer, "Relu", [total], layer.name)
        else:
            bounds = [
                self._constant(f"{layer.name}.{name}", np.array(value, np.float32))
                for name, value in (("floor", 0.0), ("ceiling", layer.ceiling))
            ]
            self.tensors[layer.name] = self._node(layer, "Clip", [total, *bounds], layer.name)

    def _connection(self, layer: RateLayer, index: int, connection: Connection) -> str:
        name = f"{layer.name}.{index}"
        data, weight = self.tensors[connection.source], connection.weight
        if connection.area > 1:
            data = self._node(
                layer,
                "AveragePool",
                [data],
                f"{name}.pool",
                kernel_shape=connection.pool,
                strides=connection.pool,
            )
            weight = weight * np.float32(connection.area)
        bias = layer.bias if index == 0 else np.zeros_like(layer.bias)
        given = [self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", bias)]
        if not connection.is_dense:
            return self._node(
                layer,
                "Conv",
                [data, *given],
                f"{name}.map",
                strides=connection.stride,
                pads=connection.pads,
                dilations=connection.dilation,
                group=connection.groups,
                kernel_shape=weight.shape[2:],
            )
        flat = self._constant(f"{name}.shape", np.array([1, weight.shape[1]], np.int64))
        data = self._node(layer, "Reshape", [data, flat], f"{name}.flat")
        product = self._node(layer, "Gemm", [data, *given], f"{name}.map", transB=1)
        # Populations are images throughout; a vector has one pixel.
        return self._reshape(product, layer.shape, f"{name}.image", layer)

    def _reshape(self, data: str, shape: Shape, name: str, layer: RateLayer | None = None) -> str:
        constant = self._constant(f"{name}.shape", np.array([1, *shape], np.int64))
        return self._node(layer, "Reshape", [data, constant], name)

    def _constant(self, name: str, array: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def _node(
        self, layer: RateLayer | None, operator: str, inputs: list[str], output: str, **how: Any
    ) -> str:
        node = helper.make_node(operator, inputs, [output], name=output, **how)
        origin = None if layer is None else layer.origin
        if origin is not None:
            for key, value in ((MODULE_KEY, origin.module), (SOURCE_KEY, origin.source)):
                if value is not None:
                    node.metadata_props.add(key=key, value=value)
        self.nodes.append(node)
        return output
