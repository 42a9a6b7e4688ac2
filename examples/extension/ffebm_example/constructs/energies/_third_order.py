"""The energy of ``third_order``: phi, of which ffebm takes all derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from ffebm_dsl.physics.energy import Coupling, Drive, Energy
from ffebm_dsl.physics.interfaces import Layer, State, inner
from ffebm_dsl.physics.modules import NamedModules


class ThirdOrderEnergy(Energy):
    """``phi = sum of <A(s_i) + A(s_i)^2 / 2, s_j> over couplings + sum of <u, s_i>``."""

    def __init__(
        self,
        layers: Iterable[Layer],
        couplings: Mapping[str, Coupling],
        drives: Mapping[str, Drive],
    ) -> None:
        super().__init__(layers)
        self.couplings = NamedModules(couplings)
        self.drives = NamedModules(drives)

    def phi(self, state: State, drives: Sequence[Tensor]) -> Tensor:
        total = state[0].new_zeros(len(state[0]))
        for drive, u in zip(self.drives, drives, strict=True):
            total = total + inner(drive(u), state[drive.layer])
        for coupling in self.couplings:
            y = coupling(state[coupling.source])
            total = total + inner(y + y.square() / 2, state[coupling.target])
        return total
