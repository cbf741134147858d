"""Core ML's protobuf messages, as coremltools brings them, without importing the rest of it.

`import coremltools` takes seconds, prints, and imports every framework that it finds. The messages
are plain protobuf: reading a package needs nothing else.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecompile.errors import ToolchainMissing

REMEDY = "pip install 'edgecompile[coreml]'"
_ALIAS = "edgecompile_coreml_proto"


@cache
def _messages() -> ModuleType:
    """The folder `coremltools/proto` as a package of its own name.

    Raises:
        ToolchainMissing: coremltools is not installed.
    """
    found = importlib.machinery.PathFinder.find_spec("coremltools")
    if found is None or found.origin is None:
        raise ToolchainMissing("reading a .mlpackage needs coremltools", remedy=REMEDY)
    folder = Path(found.origin).parent / "proto"
    spec = importlib.util.spec_from_file_location(
        _ALIAS, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_ALIAS] = module  # its files import each other by it
    spec.loader.exec_module(module)
    return module


def model_message() -> Any:
    """The class of the message `CoreML.Specification.Model`."""
    return _messages().Model_pb2.Model


@cache
def data_types() -> dict[int, str]:
    """MIL's element types by number: ``float16``, ``int8``, ``uint4`` ..."""
    names = _messages().MIL_pb2.DataType.items()
    return {number: name.lower() for name, number in names}
