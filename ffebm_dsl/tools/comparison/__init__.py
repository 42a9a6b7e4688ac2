"""Comparison of two specs: are they one network, split differently?"""

from ffebm_dsl.tools.comparison.chain import Edge, Layer, chain_of
from ffebm_dsl.tools.comparison.compare import Comparison, Outline, Verdict, compare
from ffebm_dsl.tools.comparison.layers import Difference, Side
from ffebm_dsl.tools.comparison.settings import Setting

__all__ = [
    "Comparison",
    "Difference",
    "Edge",
    "Layer",
    "Outline",
    "Setting",
    "Side",
    "Verdict",
    "chain_of",
    "compare",
]
