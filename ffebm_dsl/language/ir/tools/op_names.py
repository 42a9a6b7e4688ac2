"""What the ops of one chain are called: ``conv2d``, ``relu``, ``conv2d_2``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def op_names(constructs: Iterable[str]) -> list[str]:
    """A name for each op of a chain, from the names of their constructs."""
    seen: Counter[str] = Counter()
    names = []
    for construct in constructs:
        seen[construct] += 1
        names.append(construct if seen[construct] == 1 else f"{construct}_{seen[construct]}")
    return names
