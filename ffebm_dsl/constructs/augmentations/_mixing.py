"""Parts of two samples, as mixup and cutmix draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE, PROBABILITY

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

PARAMETERS = (
    Parameter("alpha", Kind.REAL, "of the distribution Beta(alpha, alpha)", 1.0, POSITIVE),
    Parameter("p", Kind.REAL, "probability", 1.0, PROBABILITY),
)

DEVIATIONS = (
    "the other sample is any of the training set, where the source takes one of the same batch",
    "each sample draws a part of its own, where the source draws one for a batch",
)


def parts(draws: NDArray[float64], arguments: Arguments) -> NDArray[float64]:
    """The part (B,) of a sample that is its own, of ``draws`` (B, 2): 1 where nothing is mixed."""
    import numpy as np
    from scipy.special import betaincinv

    alpha = float(arguments["alpha"])
    own = betaincinv(alpha, alpha, draws[:, 1])
    return np.where(draws[:, 0] < arguments["p"], own, 1.0)
