"""How many numbers a network holds at once while it computes: what its activations need of memory.

Counted by what is still to be read, not by what PyTorch keeps: compilers free and overwrite so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass
class _Trace:
    """What torch executed: for each operator the storages that it read and made."""

    reads: list[set[int]] = field(default_factory=list)
    made: list[set[int]] = field(default_factory=list)
    overwrites: list[bool] = field(default_factory=list)
    """Whether the operator can write over what it reads: element by element, BatchNorm too."""
    sizes: dict[int, int] = field(default_factory=dict)
    tensors: list[torch.Tensor] = field(default_factory=list)
    """Kept to the end, so that no other tensor gets the place of a dead one."""

    def storages(self, values: Any) -> set[int]:
        """The storages of the tensors among `values`, the sizes of new ones noted."""
        import torch
        from torch.utils._pytree import tree_leaves

        found = set()
        for tensor in tree_leaves(values):
            if isinstance(tensor, torch.Tensor):
                key = tensor.untyped_storage()._cdata
                if key not in self.sizes:
                    self.tensors.append(tensor)
                    self.sizes[key] = tensor.untyped_storage().nbytes() // tensor.itemsize
                found.add(key)
        return found


def peak_activations(module: torch.nn.Module, shape: Sequence[int]) -> int:
    """The most numbers alive at once in one inference of `shape`, input and outputs among them."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    trace = _Trace()
    constants = trace.storages([*module.parameters(), *module.buffers()])

    class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            reads = trace.storages((args, kwargs)) - constants
            result = func(*args, **(kwargs or {}))
            trace.reads.append(reads)
            trace.made.append(trace.storages(result) - reads - constants)
            trace.overwrites.append(torch.Tag.pointwise in func.tags or "batch_norm" in str(func))
            return result

    given = torch.zeros(list(shape))
    trace.storages(given)
    with torch.no_grad(), Recorder():  # type: ignore[no-untyped-call]
        outputs = module(given)
    return _peak(trace, trace.storages(given), trace.storages(outputs))


def _peak(trace: _Trace, given: set[int], outputs: set[int]) -> int:
    last_read = {key: index for index, reads in enumerate(trace.reads) for key in reads}
    last_read.update(dict.fromkeys(outputs, len(trace.reads)))
    alive = set(given)
    peak = 0
    for index, made in enumerate(trace.made):
        needed = sum(trace.sizes[key] for key in alive | made)
        dying = [key for key in trace.reads[index] if last_read[key] == index]
        if trace.overwrites[index]:
            new = sum(trace.sizes[key] for key in made)
            reusable = [trace.sizes[key] for key in dying if trace.sizes[key] <= new]
            needed -= max(reusable, default=0)
        peak = max(peak, needed)
        alive = {key for key in alive | made if last_read.get(key, -math.inf) > index}
    return peak
