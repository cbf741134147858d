"""A step: a function of files and parameters, named so that a worker can call it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecompile.digest import digest_json

StepFunction = Callable[[Mapping[str, Path], Mapping[str, Any], Path], dict[str, Any]]
"""`(inputs, parameters, folder) -> result`: writes files into `folder`, returns a JSON value."""


@dataclass(frozen=True)
class External:
    """A file from outside the build (weights, data), known by its content."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Product:
    """A file, or a folder, of an earlier step; without `file`, all that the step made."""

    step: str
    file: str | None = None


@dataclass(frozen=True)
class Step:
    """One node of the plan.

    `parameters` are part of the key. `context` is not: it tells the worker where things lie
    (folders), while their content is in the key by `code` and `inputs`.
    """

    name: str
    stage: str
    function: str
    code: str
    inputs: Mapping[str, External | Product] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Steps that must have succeeded (a budget held, a check passed) before this one starts."""
    target: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the steps whose products this one reads."""
        return tuple(dict.fromkeys(s.step for s in self.inputs.values() if isinstance(s, Product)))

    def key(self, digests: Mapping[str, str]) -> str:
        """The step's key; `digests` has one entry per input."""
        return digest_json(
            {
                "function": self.function,
                "code": self.code,
                "parameters": dict(self.parameters),
                "inputs": dict(digests),
            }
        )


def resolve_function(name: str) -> StepFunction:
    """The function that `package.module:function` names."""
    module, _, attribute = name.partition(":")
    function: StepFunction = getattr(importlib.import_module(module), attribute)
    return function
