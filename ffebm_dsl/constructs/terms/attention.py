"""``attention``."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Kind, Parameter, Shape, TermConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE, POSITIVE
from ffebm_dsl.physics.interfaces import Term, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Attention(Term):
    """Attention among tokens (n, d); query and key (heads * dim, d), head after head."""

    def __init__(self, shape: tuple[int, ...], heads: int, dim: int, gamma: float) -> None:
        self.shape, self.heads, self.dim, self.gamma = shape, heads, dim, gamma

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (self.heads * self.dim, self.shape[-1])
        return {"query": shape, "key": shape}

    def phi(self, s: Tensor, weights: Weights) -> Tensor:
        query, key = self._project(s, weights["query"]), self._project(s, weights["key"])
        scores = self.gamma * query @ key.transpose(-1, -2)
        return scores.logsumexp(-1).flatten(1).sum(1) / self.gamma

    def force(self, s: Tensor, weights: Weights) -> Tensor:
        query, key = self._project(s, weights["query"]), self._project(s, weights["key"])
        share = (self.gamma * query @ key.transpose(-1, -2)).softmax(-1)
        of_query = self._back(share @ key, weights["query"])
        return of_query + self._back(share.transpose(-1, -2) @ query, weights["key"])

    def product(self, s: Tensor, w: Tensor, weights: Weights) -> Tensor:
        query, key = self._project(s, weights["query"]), self._project(s, weights["key"])
        dquery, dkey = self._project(w, weights["query"]), self._project(w, weights["key"])
        share = (self.gamma * query @ key.transpose(-1, -2)).softmax(-1)
        rise = dquery @ key.transpose(-1, -2) + query @ dkey.transpose(-1, -2)
        moved = self.gamma * share * (rise - (share * rise).sum(-1, keepdim=True))
        of_query = self._back(moved @ key + share @ dkey, weights["query"])
        across = moved.transpose(-1, -2) @ query + share.transpose(-1, -2) @ dquery
        return of_query + self._back(across, weights["key"])

    def curvature(self, weights: Weights) -> Tensor:
        """``2 sqrt(n) sum over heads of |Q^T K|``, spectral norms.

        The Hessian is gamma times a covariance of scores, which is positive, and
        ``w -> sum over heads of P w K^T Q + P^T w Q^T K``, P the shares of attention. Rows of P
        add up to 1 and its columns to at most n, so that |P| is at most sqrt(n).
        """
        import torch

        query = weights["query"].unflatten(0, (self.heads, self.dim))
        key = weights["key"].unflatten(0, (self.heads, self.dim))
        norms = torch.linalg.matrix_norm(query.transpose(1, 2) @ key, ord=2)
        return 2 * sqrt(self.shape[0]) * norms.sum()

    def _project(self, s: Tensor, weight: Tensor) -> Tensor:
        """Tokens (B, n, d) as each head sees them, (B, heads, n, dim)."""
        return (s @ weight.t()).unflatten(-1, (self.heads, self.dim)).transpose(1, 2)

    def _back(self, x: Tensor, weight: Tensor) -> Tensor:
        """The transpose of :meth:`_project`."""
        return x.transpose(1, 2).flatten(2) @ weight


def _parameters(arguments: Arguments, shape: Shape) -> int:
    return 2 * int(arguments["heads"]) * int(arguments["dim"]) * shape[-1]


def _macs(arguments: Arguments, shape: Shape) -> int:
    """Query and key there and back, scores, and what the two get by the shares."""
    tokens, width = shape
    inner = int(arguments["heads"]) * int(arguments["dim"])
    return 4 * tokens * width * inner + 3 * tokens * tokens * inner


CONSTRUCT = TermConstruct(
    "attention",
    "attention among the tokens of a layer [n, d], each to all of them, itself too",
    (
        Parameter("heads", Kind.INT, "number of heads", bounds=AT_LEAST_ONE),
        Parameter("dim", Kind.INT, "length of a head's queries and keys", bounds=AT_LEAST_ONE),
        Parameter("gamma", Kind.REAL, "inverse temperature", 0.25, POSITIVE),
    ),
    equation="phi(s) = 1/gamma sum over heads h and tokens m of "
    "log sum over tokens n of exp(gamma <Q_h s_m, K_h s_n>)",
    source="Hoover et al. 2023, arXiv 2302.07253",
    deviations=(
        "the sum over n has the token m itself, which the source leaves out",
        "tokens are not normalised: a layer's activation bounds them",
    ),
    make=lambda arguments, shape: Attention(shape, **arguments),
    count_parameters=_parameters,
    count_macs=_macs,
    ranks=(2,),
    outgrows=True,
)
