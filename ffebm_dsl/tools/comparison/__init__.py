"""Comparison of two specs: whether they are the same network, possibly split differently."""

from ffebm_dsl.tools.comparison.layer_chain import ComparedLayer, chain_of
from ffebm_dsl.tools.comparison.layers import Difference, Side
from ffebm_dsl.tools.comparison.settings import SettingChange
from ffebm_dsl.tools.comparison.spec_comparison import Outline, SpecComparison, Verdict, compare

__all__ = [
    "ComparedLayer",
    "Difference",
    "Outline",
    "SettingChange",
    "Side",
    "SpecComparison",
    "Verdict",
    "chain_of",
    "compare",
]
