"""Comparison of two specs: are they one network, split differently?"""

from ffebm_dsl.tools.comparison.chain import ComparedLayer, Reading, chain_of
from ffebm_dsl.tools.comparison.compare import Outline, SpecComparison, Verdict, compare
from ffebm_dsl.tools.comparison.layers import Difference, Side
from ffebm_dsl.tools.comparison.settings import SettingChange

__all__ = [
    "ComparedLayer",
    "Difference",
    "Outline",
    "Reading",
    "SettingChange",
    "Side",
    "SpecComparison",
    "Verdict",
    "chain_of",
    "compare",
]
