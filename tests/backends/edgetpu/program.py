"""What the vendor's compiler laid out: read from the program inside an ``edgetpu-custom-op``.

The operator's options are a FlexBuffer whose entry "4" is a package of libedgetpu's
executable/executable.fbs; the numbers below are the fields' places there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, flexbuffers
from flatbuffers import number_types as types
from flatbuffers.table import Table

TILES = 16

_PACKAGE = "4"
_MULTI_EXECUTABLE, _EXECUTABLES = 1, 0
_PARAMETERS, _NARROW_MEMORY = 6, 12


@dataclass(frozen=True)
class Program:
    """Bytes of cached parameters, and of activation memory over all tiles."""

    parameters: int
    activations: int


def program_of(content: bytes) -> Program:
    """The one program of a compiled file."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    options = [
        bytes(bytearray(operator.customOptions))
        for operator in model.subgraphs[0].operators
        if model.operatorCodes[operator.opcodeIndex].customCode == b"edgetpu-custom-op"
    ]
    (blob,) = options
    package = _root(bytes(flexbuffers.GetRoot(blob).AsMap[_PACKAGE].AsStringBytes))
    bundle = _root(_bytes(package, _MULTI_EXECUTABLE))
    executables = [_root(part) for part in _strings(bundle, _EXECUTABLES)]
    return Program(
        sum(len(_bytes(each, _PARAMETERS)) for each in executables),
        TILES * max(_number(each, _NARROW_MEMORY) for each in executables),
    )


def _root(buffer: bytes) -> Any:
    return Table(buffer, encode.Get(types.UOffsetTFlags.packer_type, buffer, 0))


def _place(table: Any, field: int) -> int:
    return table.Offset(4 + 2 * field)


def _bytes(table: Any, field: int) -> bytes:
    place = _place(table, field)
    if not place:
        return b""
    start = table.Vector(place)
    return table.Bytes[start : start + table.VectorLen(place)]


def _number(table: Any, field: int) -> int:
    place = _place(table, field)
    return table.Get(types.Int32Flags, place + table.Pos) if place else 0


def _strings(table: Any, field: int) -> list[bytes]:
    place = _place(table, field)
    start = table.Vector(place)
    found = []
    for index in range(table.VectorLen(place)):
        at = table.Indirect(start + 4 * index)
        size = encode.Get(types.UOffsetTFlags.packer_type, table.Bytes, at)
        found.append(table.Bytes[at + 4 : at + 4 + size])
    return found
