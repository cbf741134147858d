"""Lava's LIF in fixed point, of which a spike takes the threshold off the potential.

Alone in its folder: Lava's compiler imports every module beside a
process to look for its models. Python 3.10, not imported by the tests.
"""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed
from lava.proc.lif.process import LIF


class SoftLIF(LIF):
    """The stock process, under another name so that another model is found for it."""


@implements(proc=SoftLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySoftLIF(AbstractPyLifModelFixed):
    """What a neuron program of one's own does on the chip."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)

    def scale_threshold(self):
        self.effective_vth = np.left_shift(self.vth, self.vth_shift)
        self.isthrscaled = True

    def spiking_activation(self):
        return self.v > self.effective_vth

    def reset_voltage(self, spike_vector):
        self.v[spike_vector] -= self.effective_vth
