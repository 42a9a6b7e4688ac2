"""Cost of a network in joules and seconds, at published prices."""

from ffebm_dsl.tools.cost.account import Assumptions, BlockAccount, Entry, SpecCost, cost
from ffebm_dsl.tools.cost.crossover import QUANTITIES, Cheapest, crossovers
from ffebm_dsl.tools.cost.prices import PriceList, load_prices

__all__ = [
    "QUANTITIES",
    "Assumptions",
    "BlockAccount",
    "Cheapest",
    "Entry",
    "PriceList",
    "SpecCost",
    "cost",
    "crossovers",
    "load_prices",
]
